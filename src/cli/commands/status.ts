import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { RiffleError } from "../../errors.ts";
import { CONTROL_PROTOCOL } from "../../mount/control-protocol.ts";
import { findMountpoint } from "../../mount/mountpoint-path.ts";
import { riffleMounts } from "../../mount/riffle-mounts.ts";
import { listSessions, sessionReport, type Session } from "../../mount/sessions.ts";
import type { Context, Run } from "../command.ts";
import { oneLine } from "../exit.ts";
import { mountTable } from "../mount-rows.ts";

const WATCH_MS = 1000;
/** Home, then erase to the end (ECMA-48): the table is drawn over the one before. */
const REDRAW = "\u001b[H\u001b[J";

async function sessionsOf(path: string | undefined, { places, cwd, signal }: Context): Promise<readonly Session[]> {
  const sessions = await listSessions({ directory: places.runtimeDir, signal });
  if (path === undefined) return sessions;
  const absolute = resolve(cwd, path);
  const mountpoint = findMountpoint(absolute, riffleMounts()) ?? absolute;
  const found = sessions.filter((session) => session.mountpoint === mountpoint);
  if (found.length > 0) return found;
  throw new RiffleError("not-found", `riffle has mounted nothing at ${absolute}`, { hint: "riffle status shows all" });
}

/** The protocol of a live daemon that this program cannot talk to. */
function otherProtocol({ status, stored }: Session): number | undefined {
  const protocol = stored?.state.protocol;
  return status === "dead" || protocol === CONTROL_PROTOCOL ? undefined : protocol;
}

async function show(path: string | undefined, context: Context, watching: boolean): Promise<void> {
  const sessions = await sessionsOf(path, context);
  const mounts = sessions.map(sessionReport);
  const { out, settings, log } = context;
  if (settings.json) await out.line(JSON.stringify({ mounts }));
  else {
    if (watching && out.isTerminal) await out.bytes(Buffer.from(REDRAW));
    for (const line of mountTable(mounts)) await out.line(oneLine(line));
    for (const { state, mountpoint } of mounts) {
      if (state === "dead" || state === "hung")
        log("warn", `${mountpoint ?? ""} is ${state}: riffle unmount removes it`);
    }
  }
  for (const session of sessions) {
    const other = otherProtocol(session);
    if (other !== undefined) {
      const versions = `control protocol ${other}, not ${CONTROL_PROTOCOL}`;
      const says = `is served by another version of riffle (${versions}): its counts are not known`;
      log("warn", `${session.mountpoint} ${says}; it reads on, and riffle unmount ends it`);
    }
  }
  await out.flush();
}

export const run: Run = async ([path], flags, context) => {
  const watching = flags.on("watch");
  await show(path, context, watching);
  if (!watching) return 0;
  while (!context.signal.aborted) {
    await delay(WATCH_MS, undefined, { signal: context.signal });
    await show(path, context, watching);
  }
  return 0;
};

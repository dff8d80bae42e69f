import { openLogFile, pruneLogs } from "../mount/log-file.ts";
import { runDaemon, type DaemonMount } from "../mount/run-daemon.ts";
import { dirname } from "node:path";
import type { LogLevel } from "../mount/backend.ts";
import { createLog, type Log } from "./log.ts";
import { mountArtifact, type MountOrder } from "./mount-artifact.ts";
import { createNotes } from "./output.ts";
import { warningText } from "./warnings.ts";

/** What `riffle mount` tells its daemon. */
export interface DaemonOrder {
  readonly mount: MountOrder;
  /** The log of this mount among riffle's own, or the file that `--log-file` names. */
  readonly log: { readonly path: string; readonly own: boolean };
  readonly verbose: number;
}

const LOG_LIFE_MS = 30 * 24 * 3600 * 1000;

function openLog({ log, verbose }: DaemonOrder): Log {
  if (!log.own) return createLog({ notes: createNotes(2), settings: { quiet: true, verbose, logFile: log.path } });
  pruneLogs(dirname(log.path), { maxAgeMs: LOG_LIFE_MS });
  const file = openLogFile(log.path);
  return (level, message) => {
    if (level !== "debug" || verbose >= 2) file.log(level, message);
  };
}

await runDaemon(async ({ payload, signal, notice }): Promise<DaemonMount> => {
  // Written by `riffle mount` of this very installation, over a channel that nobody else holds.
  const order = payload as DaemonOrder;
  const keep = openLog(order);
  let ready = false;
  const log = (level: LogLevel, message: string): void => {
    keep(level, message);
    if (!ready) notice(level, message);
  };
  log("info", `mounting ${order.mount.open.reference} at ${order.mount.mountpoint}`);
  const mount = await mountArtifact(order.mount, { signal, log });
  for (const warning of mount.artifact.warnings) log("warn", warningText(warning));
  ready = true;
  keep("info", `mounted ${mount.artifact.reference} at ${mount.session.state.mountpoint}`);
  const { mounted } = mount.session;
  return {
    session: mount.stats(),
    ended: mount.ended,
    log: keep,
    unmount: (options) => mounted.unmount(options),
    close: () => mounted.close(),
  };
});

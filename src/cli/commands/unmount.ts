import { resolve } from "node:path";
import { RiffleError } from "../../errors.ts";
import { listSessions, type Session } from "../../mount/sessions.ts";
import { unmountAt } from "../../mount/unmount.ts";
import type { Run } from "../command.ts";
import { asRiffleError, errorLine } from "../exit.ts";

export const run: Run = async (directories, flags, context) => {
  const all = flags.on("all");
  if (all === directories.length > 0) {
    const problem = all ? "--all and directories are given" : "a directory is missing";
    throw new RiffleError("usage", problem, { hint: "riffle unmount DIR..., or riffle unmount --all" });
  }
  const { settings, places, cwd, signal, log, notes, out } = context;
  const directory = places.runtimeDir;
  const targets: readonly (string | Session)[] = all
    ? await listSessions({ directory, signal })
    : directories.map((path) => resolve(cwd, path));
  const unmounted: string[] = [];
  const failures: RiffleError[] = [];
  for (const target of targets) {
    const mountpoint = typeof target === "string" ? target : target.mountpoint;
    try {
      await unmountAt(target, { directory, lazy: flags.on("lazy"), timeoutMs: settings.timeoutMs });
      unmounted.push(mountpoint);
      log("info", `unmounted ${mountpoint}`);
    } catch (error) {
      failures.push(asRiffleError(error));
    }
  }
  // The last failure is told on the way out; those before it here.
  const last = failures.pop();
  for (const failure of failures) notes.write(`${errorLine(failure, "unmount")}\n`);
  if (last !== undefined) throw last;
  if (settings.json) await out.line(JSON.stringify({ unmounted }));
  return 0;
};

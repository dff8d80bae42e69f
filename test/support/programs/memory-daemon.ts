/** The process that `spawnDaemon` starts in tests: a memory tree, and ways to go wrong. */
import { setTimeout as sleep } from "node:timers/promises";
import { RiffleError } from "../../../src/errors.ts";
import type { startMountSession as StartMountSession } from "../../../src/mount/mount-session.ts";
import type { runDaemon as RunDaemon } from "../../../src/mount/run-daemon.ts";
import { conformanceEntries, memoryStats, servedMemory } from "../served-memory.ts";
import { compiled, compiledBackend } from "./compiled.ts";

export interface MemoryDaemonPayload {
  readonly backend: "kernel" | "libfuse";
  readonly mountpoint: string;
  /** The state directory. */
  readonly directory: string;
  readonly secret: string;
  readonly behaviour: "serve" | "refuse" | "die" | "hang" | "slow" | "bug";
  readonly isPrivate?: boolean;
}

const { startMountSession } = (await compiled("mount/mount-session")) as {
  startMountSession: typeof StartMountSession;
};
const { runDaemon } = (await compiled("mount/run-daemon")) as { runDaemon: typeof RunDaemon };

await runDaemon(async ({ payload, signal, notice }) => {
  const settings = payload as MemoryDaemonPayload;
  notice("warn", `about to ${settings.behaviour}`);
  if (settings.behaviour === "refuse") throw new RiffleError("credentials", "refused", { hint: "log in" });
  if (settings.behaviour === "die") process.kill(process.pid, "SIGKILL");
  // For ever, whatever the command says; or until it says so.
  if (settings.behaviour === "hang") await new Promise(() => setInterval(() => undefined, 1000));
  if (settings.behaviour === "slow") await sleep(60_000, undefined, { signal });
  const memory = servedMemory(conformanceEntries(3));
  const session = await startMountSession(await compiledBackend(settings.backend), memory.served, {
    mount: {
      mountpoint: settings.mountpoint,
      source: "localhost:5000/eo/memory@sha256:aa",
      uid: 0,
      gid: 0,
      umask: 0,
      pageCache: "auto",
      log: () => undefined,
    },
    directory: settings.directory,
    reference: "localhost:5000/eo/memory@sha256:aa",
    digest: "sha256:aa",
    stats: (mounted, mountpoint) => memoryStats(memory, mounted, mountpoint),
    isDedicated: true,
    isPrivate: settings.isPrivate === true,
  });
  if (settings.behaviour === "bug") {
    process.once("disconnect", () => {
      throw new TypeError("a bug");
    });
  }
  return {
    session: session.state,
    ended: session.ended,
    log: () => undefined,
    unmount: (options) => session.mounted.unmount(options),
    close: () => session.mounted.close(),
  };
});

/** A program that mounts among other things, as the library's users do: it goes on after its mount has ended. */
import type { startMountSession as StartMountSession } from "../../../src/mount/mount-session.ts";
import { conformanceEntries, memoryStats, servedMemory } from "../served-memory.ts";
import { compiled, compiledBackend } from "./compiled.ts";

const { startMountSession } = (await compiled("mount/mount-session")) as {
  startMountSession: typeof StartMountSession;
};
const [mountpoint = "", directory = ""] = process.argv.slice(2);
const memory = servedMemory(conformanceEntries(3));
const session = await startMountSession(await compiledBackend("kernel"), memory.served, {
  mount: {
    mountpoint,
    source: "localhost:5000/eo/memory@sha256:aa",
    uid: 0,
    gid: 0,
    umask: 0,
    pageCache: "auto",
    log: () => undefined,
  },
  directory,
  reference: "localhost:5000/eo/memory@sha256:aa",
  digest: "sha256:aa",
  stats: (mounted, at) => memoryStats(memory, mounted, at),
  isDedicated: false,
});
setInterval(() => undefined, 1000);
console.log("ready");
console.log(await session.ended);

/** Mounts the conformance tree and obeys its parent, which reads the mount: `fork` it with a JSON argument. */
import { conformanceEntries, servedMemory } from "../served-memory.ts";
import { compiledBackend, type TestedBackend } from "./compiled.ts";

export interface ServeMemoryArguments {
  readonly backend: TestedBackend;
  readonly mountpoint: string;
  readonly umask?: number;
  readonly pageCache?: "auto" | "always" | "never";
  readonly many?: number;
}

export type ServeMemoryCommand =
  | { readonly set: { readonly live?: string; readonly failing?: boolean; readonly waiting?: boolean } }
  | { readonly ask: "state" }
  | { readonly unmount: { readonly lazy: boolean } }
  | { readonly close: true };

const args = JSON.parse(process.argv[2] ?? "{}") as ServeMemoryArguments;
const memory = servedMemory(conformanceEntries(args.many));
const backend = await compiledBackend(args.backend);
const say = (message: object): void => {
  if (process.connected) process.send?.(message);
};
let reason = "none";

try {
  const mounted = await backend.mount(memory.served, {
    mountpoint: args.mountpoint,
    source: "localhost:5000/eo/memory@sha256:aa",
    allowOther: true,
    uid: 77,
    gid: 88,
    umask: args.umask ?? 0,
    pageCache: args.pageCache ?? "auto",
    log: (level, message) => say({ log: `${level}: ${message}` }),
    onEnd: (why) => {
      reason = why;
    },
  });
  void mounted.ended.then(() => say({ ended: reason }));
  process.on("disconnect", () => void mounted.close().then(() => process.exit(0)));
  process.on("message", (command: ServeMemoryCommand) => {
    const fail = (error: unknown): void => say({ error: String(error), code: (error as { code?: string }).code });
    if ("set" in command) say({ done: Object.assign(memory, command.set).live });
    else if ("ask" in command) say({ openFiles: memory.openFiles(), reads: memory.reads() });
    else if ("unmount" in command) mounted.unmount(command.unmount).then(() => say({ done: "unmount" }), fail);
    else mounted.close().then(() => say({ done: "close" }), fail);
  });
  say({ ready: true, inodeBase: memory.served.tree.inodeBase });
} catch (error) {
  say({ error: String(error) });
  process.exitCode = 1;
  process.disconnect();
}

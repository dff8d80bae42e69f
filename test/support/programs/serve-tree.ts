/** Mounts the table of a file, as a process that knew it before: `fork` it with FILE and MOUNTPOINT; it ends with its parent. */
import type { Served } from "../../../src/artifact/served.ts";
import type { openTreeFile as OpenTreeFile } from "../../../src/layers/tree-file.ts";
import { compiled, compiledBackend } from "./compiled.ts";

export interface ServedTree {
  readonly rows: number;
  /** From the first look at the file until the mount answers, milliseconds. */
  readonly ms: number;
}

const { openTreeFile } = (await compiled("layers/tree-file")) as { openTreeFile: typeof OpenTreeFile };
const backend = await compiledBackend("kernel");
const [file = "", mountpoint = ""] = process.argv.slice(2);
const begun = performance.now();
const tree = openTreeFile(file);
if (tree === undefined) throw new Error(`${file} is not there`);
const served: Served = {
  tree,
  slots: new SharedArrayBuffer(4),
  warm: undefined,
  open: () => ({ kind: "direct" }),
  release: () => undefined,
  touched: () => undefined,
  liveSize: (row) => tree.size(row),
  liveXattr: () => undefined,
  read: async (_row, { start, end }) => new Uint8Array(end - start),
};
const mounted = await backend.mount(served, {
  mountpoint,
  source: "localhost:5000/tree@sha256:aa",
  uid: 0,
  gid: 0,
  umask: 0,
  pageCache: "auto",
  log: () => undefined,
  onEnd: () => undefined,
});
process.on("disconnect", () => void mounted.close().then(() => process.exit(0)));
process.send?.({ rows: tree.rows, ms: performance.now() - begun } satisfies ServedTree);

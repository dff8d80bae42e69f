import { NONE, ROW_LIVE, S_IFLNK, type Row } from "../layers/tree.ts";
import { ATTR_OUT_BYTES, ENTRY_OUT_BYTES, putU32, putU64, VALID_SECONDS } from "./protocol.ts";
import { nodeOf, TYPE_BITS, type TreeView } from "./tree-view.ts";

/** st_blksize sizes the buffers of stdio and of Python: more would make every small read a large one. */
const BLOCK_BYTES = 4096;
/** The unit of st_blocks, whatever the file system (stat(2)). */
const SECTOR_BYTES = 512;

/** What `stat` shows as the size: of a link, its text's. */
export function sizeOf(view: TreeView, row: Row): number {
  const { tree } = view;
  if ((tree.mode(row) & TYPE_BITS) !== S_IFLNK) return tree.size(row);
  return tree.target(row)?.length ?? 0;
}

/** struct fuse_attr at `at`. Names owners, modes and times as the view wants them shown. */
export function putAttr(out: DataView, at: number, entry: { view: TreeView; row: Row; size: number }): void {
  const { view, row, size } = entry;
  const { tree } = view;
  const seconds = Math.floor(tree.mtime(row));
  const uid = tree.uid(row);
  const gid = tree.gid(row);
  putU64(out, at, nodeOf(view, row));
  putU64(out, at + 8, size);
  putU64(out, at + 16, Math.ceil(size / SECTOR_BYTES));
  for (let time = at + 24; time < at + 48; time += 8) putU64(out, time, seconds);
  putU64(out, at + 48, 0);
  putU32(out, at + 56, 0);
  putU32(out, at + 60, tree.mode(row) & ~view.umask);
  putU32(out, at + 64, tree.nlink(row));
  putU32(out, at + 68, uid === NONE ? view.uid : uid);
  putU32(out, at + 72, gid === NONE ? view.gid : gid);
  putU32(out, at + 76, 0);
  putU32(out, at + 80, BLOCK_BYTES);
  putU32(out, at + 84, 0);
}

/** struct fuse_attr_out at `at`; returns its bytes. A file that changes is good for no time at all. */
export function putAttrOut(out: DataView, at: number, entry: { view: TreeView; row: Row; size: number }): number {
  putU64(out, at, validSeconds(entry.view, entry.row));
  putU64(out, at + 8, 0);
  putAttr(out, at + 16, entry);
  return ATTR_OUT_BYTES;
}

/** struct fuse_entry_out at `at`; returns its bytes. The name itself never changes. */
export function putEntryOut(out: DataView, at: number, entry: { view: TreeView; row: Row; size: number }): number {
  putU64(out, at, nodeOf(entry.view, entry.row));
  putU64(out, at + 8, 0);
  putU64(out, at + 16, VALID_SECONDS);
  putU64(out, at + 24, validSeconds(entry.view, entry.row));
  putU64(out, at + 32, 0);
  putAttr(out, at + 40, entry);
  return ENTRY_OUT_BYTES;
}

/** Node 0 with a lifetime: the kernel remembers that there is no such name (in READDIRPLUS: no attributes given). */
export function putNoEntryOut(out: DataView, at: number): number {
  for (let field = at; field < at + ENTRY_OUT_BYTES; field += 8) putU64(out, field, 0);
  putU64(out, at + 16, VALID_SECONDS);
  return ENTRY_OUT_BYTES;
}

function validSeconds(view: TreeView, row: Row): number {
  return (view.tree.flags(row) & ROW_LIVE) === 0 ? VALID_SECONDS : 0;
}

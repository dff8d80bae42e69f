import { NONE, type Row, type TreeTable } from "./tree.ts";

/** What `struct fuse_attr` holds of a row. One object is filled again and again, so that answering allocates nothing. */
export interface Attributes {
  inode: number;
  size: number;
  /** Units of 512 bytes. */
  blocks: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
}

/** Who owns what no archive gave an owner. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const BLOCK_BYTES = 512;

export function emptyAttributes(): Attributes {
  return {
    inode: 0,
    size: 0,
    blocks: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
  };
}

/** Of a ROW_LIVE file the size is the table's: whoever serves it sets the present one (`setSize`). */
export function readAttributes(
  table: TreeTable,
  row: Row,
  options: { readonly owner: Owner; readonly into: Attributes },
): void {
  const { owner, into } = options;
  const mtime = table.mtime(row);
  const uid = table.uid(row);
  const gid = table.gid(row);
  into.inode = inodeOf(table, row);
  into.mtimeSeconds = Math.floor(mtime);
  // A double holds today's times to a quarter of a microsecond; digits below that would be invented.
  into.mtimeNanoseconds = Math.floor((mtime - into.mtimeSeconds) * 1e6) * 1000;
  into.mode = table.mode(row);
  into.nlink = table.nlink(row);
  into.uid = uid === NONE ? owner.uid : uid;
  into.gid = gid === NONE ? owner.gid : gid;
  setSize(into, table.size(row));
}

export function setSize(attributes: Attributes, size: number): void {
  attributes.size = size;
  attributes.blocks = Math.ceil(size / BLOCK_BYTES);
}

/** `st_ino`: stable for a digest whatever is filtered; hard links share one. */
export function inodeOf(table: TreeTable, row: Row): number {
  return table.inodeBase + table.link(row) + 1;
}

/**
 * The row behind an inode number, NONE when it is none of this table's. Number 1 is the root of the view, whatever row
 * that is: the kernel calls the root of every mount so.
 */
export function rowOfInode(table: TreeTable, inode: number): Row {
  if (inode === 1) return table.root;
  const row = inode - table.inodeBase - 1;
  return Number.isInteger(row) && row >= 0 && row < table.rows ? row : NONE;
}

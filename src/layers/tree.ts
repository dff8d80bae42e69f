/** POSIX file type bits of `mode`. */
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

/**
 * A row number; row 0 is the root of the artifact. The inode number is `inodeBase + link(row) + 1`: the row's own for all
 * but hard links, which share that of the first of them.
 */
export type Row = number;

/** No such row, no such source. */
export const NONE = 0xffffffff;

/** Row flags. */
export const ROW_HIDDEN = 1; // can be opened by name, is not listed (.oci)
export const ROW_FILTERED = 2; // neither: --include, --exclude, --subpath; keeps its inode number
export const ROW_LIVE = 4; // content and size change: never cached by the kernel (.oci/stats.json, .oci/errors)

/**
 * A flat, immutable tree in one buffer: parallel typed columns and a name table; the same bytes in memory, on disk and
 * published. Children of a directory are consecutive rows sorted by name bytes. Safe to read from any thread; nothing
 * allocates but `name`, `target` and `xattr*`.
 */
export interface TreeTable {
  readonly buffer: SharedArrayBuffer;
  readonly rows: number;
  readonly inodeBase: number;
  readonly sources: number;
  /** Where the view begins: row 0, or the directory of `--subpath`. `.oci` can be opened by name below it all the same. */
  readonly root: Row;
  lookup(parent: Row, name: Uint8Array): Row; // NONE when absent or filtered
  /** The same with the name as `bytes[start, end)`, for callers that must not allocate. */
  lookupIn(parent: Row, bytes: Uint8Array, start: number, end: number): Row;
  /** The root's is the root. */
  parent(row: Row): Row;
  /** Children are `[firstChild, firstChild + childCount)`, hidden and filtered ones among them; 0 for what is no directory. */
  firstChild(row: Row): Row;
  childCount(row: Row): number;
  name(row: Row): Uint8Array;
  nameBytes(row: Row): number;
  /** Writes the name at `into[at]` and returns its length, which must fit. */
  copyName(row: Row, into: Uint8Array, at: number): number;
  mode(row: Row): number;
  size(row: Row): number;
  /** Seconds since the epoch. */
  mtime(row: Row): number;
  uid(row: Row): number; // NONE: the mounting user's
  gid(row: Row): number;
  nlink(row: Row): number;
  /** The first row of the same hard-linked file; the row itself for everything else. */
  link(row: Row): Row;
  flags(row: Row): number;
  /** Which content the file's bytes lie in, and at what offset. */
  source(row: Row): number;
  offset(row: Row): number;
  /** Bytes of a symbolic link's text. */
  target(row: Row): Uint8Array | undefined;
  /** Extended attributes of the row's source that never change, as `name NUL` list and by name. */
  xattrNames(row: Row): Uint8Array;
  xattr(row: Row, name: string): Uint8Array | undefined;
}

import { NONE, ROW_FILTERED, ROW_HIDDEN, S_IFDIR, S_IFREG, type Row, type TreeTable } from "../layers/tree.ts";

/** POSIX S_IFMT: the file type bits of a mode. */
export const TYPE_BITS = 0o170000;
/** The kernel's name for the root of every mount (FUSE_ROOT_ID). */
export const ROOT_NODE = 1;

/** What of a tree a mount shows, and as whose. */
export interface TreeView {
  readonly tree: TreeTable;
  readonly rootRow: Row;
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
}

/**
 * The kernel's number of a row, which is its inode number too: hard links share one, and the mount's root is 1 whichever
 * row it is.
 */
export function nodeOf(view: TreeView, row: Row): number {
  return row === view.rootRow ? ROOT_NODE : view.tree.inodeBase + view.tree.link(row) + 1;
}

/** NONE for numbers that no LOOKUP can have given out. */
export function rowOf(view: TreeView, node: number): Row {
  if (node === ROOT_NODE) return view.rootRow;
  const row = node - view.tree.inodeBase - 1;
  if (!(row >= 0 && row < view.tree.rows)) return NONE;
  return (view.tree.flags(row) & ROW_FILTERED) === 0 ? row : NONE;
}

export function isDirectory(view: TreeView, row: Row): boolean {
  return (view.tree.mode(row) & TYPE_BITS) === S_IFDIR;
}

/** For `statfs`. Bytes of the regular files that a walk finds, and how many names it finds. */
export interface TreeTotals {
  readonly bytes: number;
  readonly files: number;
}

export function treeTotals(view: TreeView): TreeTotals {
  const { tree } = view;
  const directories: Row[] = [view.rootRow];
  let bytes = 0;
  let files = 1;
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    const first = tree.firstChild(directory);
    const end = first + tree.childCount(directory);
    for (let row = first; row < end; row += 1) {
      if ((tree.flags(row) & (ROW_HIDDEN | ROW_FILTERED)) !== 0) continue;
      const type = tree.mode(row) & TYPE_BITS;
      files += 1;
      if (type === S_IFDIR) directories.push(row);
      if (type === S_IFREG && tree.link(row) === row) bytes += tree.size(row);
    }
  }
  return { bytes, files };
}

import { NONE, ROW_FILTERED, ROW_HIDDEN, S_IFDIR, S_IFREG, type Row, type TreeTable } from "./tree.ts";
import { malformedTree } from "./tree-format.ts";

const FORMAT_BITS = 0o170000;
const SLASH = "/".charCodeAt(0);

export function isDirectory(table: TreeTable, row: Row): boolean {
  return (table.mode(row) & FORMAT_BITS) === S_IFDIR;
}

export function isFile(table: TreeTable, row: Row): boolean {
  return (table.mode(row) & FORMAT_BITS) === S_IFREG;
}

/** Whether a listing of its directory shows the row. */
export function isListable(table: TreeTable, row: Row): boolean {
  return (table.flags(row) & (ROW_HIDDEN | ROW_FILTERED)) === 0;
}

/** The rows that a listing of `directory` shows, in order of their name bytes. */
export function* listable(table: TreeTable, directory: Row): Generator<Row, void> {
  const first = table.firstChild(directory);
  const end = first + table.childCount(directory);
  for (let row = first; row < end; row += 1) if (isListable(table, row)) yield row;
}

/**
 * The row of a path below the root of the view; empty and `.` steps say nothing, `..` is the directory above, a slash at
 * the end demands a directory. Hidden names are found, filtered ones are not, and symbolic links are not followed.
 */
export function resolvePath(table: TreeTable, path: string): Row | undefined {
  let row = table.root;
  for (const step of path.split("/")) {
    if (!isDirectory(table, row)) return undefined;
    if (step === "" || step === ".") continue;
    row = step === ".." ? table.parent(row) : table.lookup(row, Buffer.from(step));
    if (row === NONE) return undefined;
  }
  return row;
}

/** The path of a row below the root of the view, whose own is empty, as bytes. Throws `malformed` for damaged tables. */
export function pathBytesOf(table: TreeTable, row: Row): Uint8Array {
  const rows: Row[] = [];
  for (let at = row; at !== table.root; at = table.parent(at)) {
    // Parents lie below their children, but for the root of a view, which may lie anywhere.
    if (rows.length > table.rows) throw malformedTree("damaged: a directory lies in itself");
    rows.push(at);
  }
  const path = Buffer.allocUnsafe(rows.reduce((sum, step) => sum + table.nameBytes(step) + 1, 0));
  let end = 0;
  for (const step of rows.toReversed()) {
    end += table.copyName(step, path, end);
    path[end] = SLASH;
    end += 1;
  }
  return path.subarray(0, Math.max(0, end - 1));
}

/** The same as text; bytes that are no UTF-8 show as U+FFFD. */
export function pathOf(table: TreeTable, row: Row): string {
  return Buffer.from(pathBytesOf(table, row)).toString();
}

/**
 * Everything that can be seen below `row`, directories before what lies in them, names in byte order. Throws `malformed`
 * rather than run on in a damaged table.
 */
export function* walk(table: TreeTable, row: Row = table.root): Generator<Row, void> {
  const open = [{ next: table.firstChild(row), end: table.firstChild(row) + table.childCount(row) }];
  let seen = 0;
  for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
    if (level.next >= level.end) {
      open.pop();
      continue;
    }
    const child = level.next;
    level.next += 1;
    if (!isListable(table, child)) continue;
    seen += 1;
    if (seen > table.rows) throw malformedTree("damaged: a directory lies in itself");
    yield child;
    const first = table.firstChild(child);
    if (table.childCount(child) > 0) open.push({ next: first, end: first + table.childCount(child) });
  }
}

export interface TreeTotals {
  readonly files: number;
  readonly directories: number;
  /** Bytes of all files, each inode counted once. */
  readonly size: number;
}

/** What the view shows, as `statfs` and the accounting give it: neither `.oci` nor what is filtered counts. */
export function treeTotals(table: TreeTable): TreeTotals {
  let files = 0;
  let directories = 0;
  let size = 0;
  const counted = new Set<Row>();
  for (const row of walk(table)) {
    if (isDirectory(table, row)) {
      directories += 1;
      continue;
    }
    files += 1;
    const link = table.link(row);
    if (table.nlink(row) > 1) {
      if (counted.has(link)) continue;
      counted.add(link);
    }
    if (isFile(table, row)) size += table.size(row);
  }
  return { files, directories, size };
}

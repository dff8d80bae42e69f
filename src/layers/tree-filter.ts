import { RiffleError } from "../errors.ts";
import { startSelection, type PathSelection, type SelectionCursor } from "./globs.ts";
import { printable } from "./names.ts";
import { NONE, ROW_FILTERED, ROW_HIDDEN, S_IFDIR, type Row, type TreeTable } from "./tree.ts";
import { sealTree, treeSections, type TreeColumns } from "./tree-format.ts";
import { countDirectories } from "./tree-layout.ts";
import { isDirectory, pathOf, resolvePath } from "./tree-paths.ts";
import { openTree } from "./tree-table.ts";

export interface TreeFilter extends PathSelection {
  /** The directory that becomes the root of the view; patterns are matched below it. */
  readonly subpath?: string;
}

const FORMAT_BITS = 0o170000;

/**
 * A copy of the table that shows only what the filter leaves; rows, and with them inode numbers, stay. Directories in
 * which an include left no file go too. `.oci` stays, and where `subpath` holds an entry of that name, it is that entry
 * which goes. Throws `not-found` for a subpath that does not exist and `usage` for one that is no directory.
 */
export function filterTree(buffer: SharedArrayBuffer, filter: TreeFilter): SharedArrayBuffer {
  const root = viewRoot(buffer, filter.subpath ?? "");
  const copy = new SharedArrayBuffer(buffer.byteLength);
  new Uint8Array(copy).set(new Uint8Array(buffer));
  const { counts, columns } = treeSections(copy);
  const metadata = metadataRow(buffer);
  const shown = shownRows(columns, { table: openTree(buffer), root, metadata, cursor: startSelection(filter) });
  if ((filter.include?.length ?? 0) > 0) hideEmptyDirectories(columns, shown, root);
  const kept = metadata === undefined ? shown : withSubtree(columns, shown, metadata);
  for (let row = 1; row < counts.rows; row += 1) {
    if (kept[row] === 0 && row !== root) columns.flags[row] = (columns.flags[row] ?? 0) | ROW_FILTERED;
  }
  countDirectories(columns);
  sealTree(copy, { ...counts, root });
  return copy;
}

function viewRoot(buffer: SharedArrayBuffer, subpath: string): Row {
  const table = openTree(buffer);
  const row = resolvePath(table, subpath);
  const shown = printable(subpath);
  if (row === undefined) throw new RiffleError("not-found", `no such path in the artifact: ${shown}`);
  if (!isDirectory(table, row)) {
    throw new RiffleError("usage", `subpath is not a directory: ${shown}`, { hint: "name the directory it lies in" });
  }
  const metadata = metadataRow(buffer);
  if (metadata !== undefined && `${pathOf(table, row)}/`.startsWith(`${pathOf(table, metadata)}/`)) {
    throw new RiffleError("usage", `subpath lies in the metadata of the mount: ${shown}`);
  }
  return row;
}

function metadataRow(buffer: SharedArrayBuffer): Row | undefined {
  const table = openTree(buffer);
  const row = table.lookup(0, METADATA_NAME);
  return row !== NONE && (table.flags(row) & ROW_HIDDEN) !== 0 ? row : undefined;
}

const METADATA_NAME = new TextEncoder().encode(".oci");

interface View {
  readonly table: TreeTable;
  readonly root: Row;
  readonly metadata: Row | undefined;
  readonly cursor: SelectionCursor;
}

/** One byte per row: 1 for what lies below the root and is selected, directories on the way to it included. */
function shownRows(columns: TreeColumns, { table, root, metadata, cursor }: View): Uint8Array {
  const { mode, parent, flags } = columns;
  const shown = new Uint8Array(mode.length);
  const cursors = new Map<Row, SelectionCursor>([[root, cursor]]);
  shown[root] = 1;
  for (let row = root + 1; row < mode.length; row += 1) {
    const above = cursors.get(parent[row] ?? 0);
    if (above === undefined || row === metadata || ((flags[row] ?? 0) & ROW_FILTERED) !== 0) continue;
    const name = Buffer.from(table.name(row)).toString();
    if (root !== 0 && metadata !== undefined && parent[row] === root && name === ".oci") continue;
    const directory = ((mode[row] ?? 0) & FORMAT_BITS) === S_IFDIR;
    const next = above.step(name, directory);
    if (directory && !next.closed) cursors.set(row, next);
    if (directory ? !next.closed : next.selected) shown[row] = 1;
  }
  return shown;
}

/** From the last row up, since children lie behind their directories. */
function hideEmptyDirectories({ mode, parent }: TreeColumns, shown: Uint8Array, root: Row): void {
  const filled = new Uint8Array(mode.length);
  for (let row = mode.length - 1; row > root; row -= 1) {
    if (shown[row] === 0) continue;
    const directory = ((mode[row] ?? 0) & FORMAT_BITS) === S_IFDIR;
    if (directory && filled[row] === 0) shown[row] = 0;
    else filled[parent[row] ?? 0] = 1;
  }
}

function withSubtree({ mode, parent }: TreeColumns, shown: Uint8Array, top: Row): Uint8Array {
  const inside = new Uint8Array(mode.length);
  inside[top] = 1;
  shown[top] = 1;
  for (let row = top + 1; row < mode.length; row += 1) {
    if (inside[parent[row] ?? 0] === 0) continue;
    inside[row] = 1;
    shown[row] = 1;
  }
  return shown;
}

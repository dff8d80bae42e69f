import { NONE, S_IFDIR, S_IFLNK, S_IFREG, type TreeTable } from "./tree.ts";
import { bodyIsIntact, malformedTree, treeSections, type TreeCounts, type TreeColumns } from "./tree-format.ts";
import { openTree } from "./tree-table.ts";
import { xattrsAreWhole } from "./xattrs.ts";

const FORMAT_BITS = 0o170000;
const NAME_BYTES = 255;
const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * Opens a table that comes from a disk or from someone else, once checked as a whole: its checksum, and, since whoever
 * made it may have summed nonsense, that it is a tree whose every number stays inside. Throws `malformed`. Costs a pass
 * over all rows; a table that this process built needs only `openTree`.
 */
export function verifyTree(buffer: SharedArrayBuffer): TreeTable {
  const { counts, columns } = treeSections(buffer);
  if (!bodyIsIntact(buffer)) throw malformedTree("damaged");
  checkEnds(columns.nameEnd, counts.nameBytes);
  checkEnds(columns.xattrEnd, counts.xattrBytes);
  for (let source = 0; source < counts.sources; source += 1) {
    const record = columns.xattrs.subarray(columns.xattrEnd[source], columns.xattrEnd[source + 1]);
    if (!xattrsAreWhole(record)) throw malformedTree("inconsistent in its attributes");
  }
  if (formatOf(columns, 0) !== S_IFDIR || columns.parent[0] !== 0) throw malformedTree("without a root");
  if (formatOf(columns, counts.root) !== S_IFDIR) throw malformedTree("rooted in a file");
  let next = 1;
  for (let row = 0; row < counts.rows; row += 1) {
    if (row > 0) checkName(columns, row);
    checkNumbers(columns, counts, row);
    if (formatOf(columns, row) === S_IFDIR) next = checkChildren(columns, counts, { row, next });
    else checkLeaf(columns, counts, row);
  }
  if (next !== counts.rows) throw malformedTree("inconsistent: rows without a directory");
  return openTree(buffer);
}

function formatOf(columns: TreeColumns, row: number): number {
  return (columns.mode[row] ?? 0) & FORMAT_BITS;
}

function checkEnds(ends: Uint32Array, total: number): void {
  let previous = 0;
  for (const end of ends) {
    if (end < previous) throw malformedTree("inconsistent in its sections");
    previous = end;
  }
  if (ends[0] !== 0 || previous !== total) throw malformedTree("inconsistent in its sections");
}

/** Children begin where those of the directory before end: so each row has one directory and no chain closes. */
function checkChildren(columns: TreeColumns, counts: TreeCounts, at: { row: number; next: number }): number {
  const { row, next } = at;
  const end = next + (columns.count[row] ?? 0);
  if (columns.first[row] !== next || next <= row || end > counts.rows)
    throw malformedTree("inconsistent in its directories");
  for (let child = next; child < end; child += 1) {
    if (columns.parent[child] !== row) throw malformedTree("inconsistent in its directories");
    if (child > next && compareRows(columns, child - 1, child) >= 0) throw malformedTree("not sorted");
  }
  return end;
}

function checkName(columns: TreeColumns, row: number): void {
  const start = columns.nameEnd[row] ?? 0;
  const end = columns.nameEnd[row + 1] ?? 0;
  const { names } = columns;
  const dots = names[start] === DOT && (end - start === 1 || (end - start === 2 && names[start + 1] === DOT));
  if (end === start || end - start > NAME_BYTES || dots) throw malformedTree("holding a name that no file can have");
  for (let i = start; i < end; i += 1) {
    if (names[i] === 0 || names[i] === SLASH) throw malformedTree("holding a name that no file can have");
  }
}

function checkNumbers(columns: TreeColumns, counts: TreeCounts, row: number): void {
  const size = columns.size[row] ?? -1;
  const offset = columns.offset[row] ?? -1;
  const source = columns.source[row] ?? NONE;
  const sound =
    Number.isSafeInteger(size) &&
    size >= 0 &&
    Number.isSafeInteger(offset) &&
    offset >= 0 &&
    Number.isSafeInteger(offset + size) &&
    Number.isFinite(columns.mtime[row]) &&
    (source === NONE || source < counts.sources);
  if (!sound) throw malformedTree("inconsistent in its numbers");
}

function checkLeaf(columns: TreeColumns, counts: TreeCounts, row: number): void {
  const size = columns.size[row] ?? -1;
  const offset = columns.offset[row] ?? -1;
  const link = columns.first[row] ?? NONE;
  const format = formatOf(columns, row);
  const inside = format === S_IFLNK ? offset + size <= counts.targetBytes : format === S_IFREG;
  if (!inside || columns.count[row] !== 0) throw malformedTree("inconsistent in its files");
  const same =
    link <= row &&
    columns.first[link] === link &&
    columns.mode[link] === columns.mode[row] &&
    columns.size[link] === size &&
    columns.offset[link] === offset &&
    columns.source[link] === columns.source[row];
  if (!same) throw malformedTree("inconsistent in its hard links");
}

function compareRows(columns: TreeColumns, a: number, b: number): number {
  const { nameEnd, names } = columns;
  const aStart = nameEnd[a] ?? 0;
  const bStart = nameEnd[b] ?? 0;
  const aLength = (nameEnd[a + 1] ?? 0) - aStart;
  const bLength = (nameEnd[b + 1] ?? 0) - bStart;
  for (let i = 0; i < Math.min(aLength, bLength); i += 1) {
    const difference = (names[aStart + i] ?? 0) - (names[bStart + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

import { contains, PAGE_BYTES, rangeLength, type ByteRange } from "../bytes/range.ts";
import { extentAt, type ExtentTable } from "../formats/extents.ts";

/** What the kernel reads ahead of a mapped file: it comes with every touch, whoever wanted what. */
const KERNEL_READ_BYTES = 128 * 1024;
/** Padding, and the leaders that GDAL writes before tiles: no content of its own. */
const MAX_PADDING_BYTES = 64;
const MAX_HEADER_BYTES = 1024;
/** One read may lie in many small units; a longer one asks for its own bytes, and for the units at its ends. */
const MAX_UNITS = 256;

/** The rows that a read is about. Those that it only brushes, because it is buffered or mapped, are not among them. */
export function touchedRows(
  table: ExtentTable,
  range: ByteRange,
  wasTouched: (row: number) => boolean,
): readonly number[] {
  const rows = overlappedRows(table, range);
  const brushed = rows.map((row) => isBrush(range, unitOf(table, row)));
  const first = rows[0] ?? -1;
  const last = rows.at(-1) ?? -1;
  const meant = rows.filter((row, place) => brushed[place] !== true && !isSpill(table, row, { range, wasTouched }));
  if (meant.length > 0 || !brushed.every(Boolean) || rows.length === 0) return meant;
  // All is brushed. A unit in use explains the read, and so does what lies before a unit; else it begins the last one.
  if (wasTouched(first)) return [first];
  const { start } = unitOf(table, last);
  return rows.length > 1 || (start >= range.start && start - range.start <= MAX_PADDING_BYTES) ? [last] : [];
}

export function unitOf({ starts, ends }: ExtentTable, row: number): ByteRange {
  return { start: starts[row] ?? 0, end: ends[row] ?? 0 };
}

/** A read of the few bytes that a page begins with, and no more of it: DuckDB asks for 256 to learn how long the page is. */
export function isHeaderRead(table: ExtentTable, row: number, range: ByteRange): boolean {
  const unit = unitOf(table, row);
  return (
    range.start === unit.start && rangeLength(range) <= MAX_HEADER_BYTES && 4 * rangeLength(range) < rangeLength(unit)
  );
}

/** Rows that share bytes with `range`, in order. */
function overlappedRows(table: ExtentTable, range: ByteRange): readonly number[] {
  const rows: number[] = [];
  const within = extentAt(table, range.start);
  let row = within >= 0 ? within : nextRow(table, range.start);
  for (; row < table.count && (table.starts[row] ?? Infinity) < range.end && rows.length < MAX_UNITS; row++)
    rows.push(row);
  return rows;
}

/** The first row that begins at or behind `offset`. */
export function nextRow({ count, starts }: ExtentTable, offset: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? Infinity) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A read that goes beyond the unit on one side and has little of it. */
function isBrush(range: ByteRange, unit: ByteRange): boolean {
  if (contains(range, unit) || contains(unit, range)) return false;
  const shared = Math.min(range.end, unit.end) - Math.max(range.start, unit.start);
  return shared < KERNEL_READ_BYTES && 2 * shared < rangeLength(unit);
}

/**
 * The kernel reads a mapped file ahead in steps of its own: one that lies in the first bytes of a unit, behind a unit in
 * use, is the end of that one's reading until more of the unit was read.
 */
function isSpill(
  table: ExtentTable,
  row: number,
  { range, wasTouched }: { readonly range: ByteRange; readonly wasTouched: (row: number) => boolean },
): boolean {
  const bytes = rangeLength(range);
  if (bytes > KERNEL_READ_BYTES || 2 * bytes < KERNEL_READ_BYTES || range.start % PAGE_BYTES !== 0 || row === 0)
    return false;
  const unit = unitOf(table, row);
  const had = range.end - unit.start;
  if (wasTouched(row) || !wasTouched(row - 1) || had > 2 * KERNEL_READ_BYTES || 2 * had > rangeLength(unit))
    return false;
  return unit.start - unitOf(table, row - 1).end <= PAGE_BYTES;
}

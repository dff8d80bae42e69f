import type { ByteRange } from "../bytes/range.ts";

/** A unit that a format reads as one thing, as its index gives it. Wrong ones cost bytes, never correctness. */
export interface Extent extends ByteRange {
  /**
   * Units that a program reads one after the other share a number, and follow each other by their offsets: the chunks of a
   * column, the tiles of an image. -1: nothing follows from reading it.
   */
  readonly series: number;
  /** The larger unit that this one is a part of (the column chunk of a page), taken once two of its parts were read. */
  readonly whole?: ByteRange;
}

/** The units of one file, sorted by offset, disjoint, not empty, inside the file; parallel columns. */
export interface ExtentTable {
  readonly count: number;
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly series: Int32Array;
  /** Row in `wholes`, or -1. */
  readonly whole: Int32Array;
  readonly wholes: readonly ByteRange[];
}

/** A file with more is read without extents: tables of this size take 24 MB. */
const MAX_EXTENTS = 1_000_000;

export const NO_EXTENTS: ExtentTable = extentTable([], 0);

/** What is outside the file, empty, or overlaps what begins before it is left out: an index is outside input. */
export function extentTable(extents: readonly Extent[], size: number): ExtentTable {
  const sound = extents.length > MAX_EXTENTS ? [] : extents.filter((extent) => isInside(extent, size));
  sound.sort((a, b) => a.start - b.start || b.end - a.end);
  const kept: Extent[] = [];
  let end = 0;
  for (const extent of sound) {
    if (extent.start < end) continue;
    kept.push(extent);
    end = extent.end;
  }
  const rows = new Map<string, number>();
  const wholes: ByteRange[] = [];
  const rowOf = (whole: ByteRange | undefined): number => {
    if (whole === undefined || !isInside(whole, size)) return -1;
    const key = `${whole.start} ${whole.end}`;
    const row = rows.get(key) ?? wholes.push({ start: whole.start, end: whole.end }) - 1;
    rows.set(key, row);
    return row;
  };
  return {
    count: kept.length,
    starts: Float64Array.from(kept, (extent) => extent.start),
    ends: Float64Array.from(kept, (extent) => extent.end),
    series: Int32Array.from(kept, (extent) => extent.series),
    whole: Int32Array.from(kept, (extent) => rowOf(extent.whole)),
    wholes,
  };
}

/** The row of the unit that `offset` lies in, or -1. */
export function extentAt({ count, starts, ends }: ExtentTable, offset: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? Infinity) <= offset) low = middle + 1;
    else high = middle;
  }
  return low > 0 && offset < (ends[low - 1] ?? 0) ? low - 1 : -1;
}

/** The units as ranges, for `FormatReader.extents`. */
export function extentRanges({ count, starts, ends }: ExtentTable): readonly ByteRange[] {
  return Array.from({ length: count }, (_, row) => ({ start: starts[row] ?? 0, end: ends[row] ?? 0 }));
}

function isInside({ start, end }: ByteRange, size: number): boolean {
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end && end <= size;
}

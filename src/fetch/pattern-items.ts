import { type ByteRange } from "../bytes/range.ts";
import type { ExtentTable } from "../formats/extents.ts";

/**
 * The units of a table as patterns see them: the pages of a column chunk are one item, any other unit is one by itself.
 * Parallel columns, in order of offset. A group is a stretch in which no series comes twice: a row group, or a single tile.
 */
export interface PatternItems {
  readonly count: number;
  /** Item of each row of the table. */
  readonly itemOf: Int32Array;
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** 1 where the item has parts of its own. */
  readonly hasParts: Uint8Array;
  /** The item of the same series before and behind, or -1. */
  readonly before: Int32Array;
  readonly behind: Int32Array;
  readonly group: Int32Array;
}

/** One pass over the table. A whole that does not hold its unit, or begins before an earlier one ends, is not believed. */
export function patternItems(table: ExtentTable): PatternItems {
  const { count: rows } = table;
  const itemOf = new Int32Array(rows);
  const starts = new Float64Array(rows);
  const ends = new Float64Array(rows);
  const hasParts = new Uint8Array(rows);
  const series = new Int32Array(rows);
  let count = 0;
  let last = -1;
  let reached = 0;
  for (let row = 0; row < rows; row++) {
    const number = table.whole[row] ?? -1;
    const whole = soundWhole(table, row, number === last ? 0 : reached);
    if (whole !== undefined && number === last) {
      itemOf[row] = count - 1;
      continue;
    }
    last = whole === undefined ? -1 : number;
    starts[count] = whole?.start ?? table.starts[row] ?? 0;
    ends[count] = whole?.end ?? table.ends[row] ?? 0;
    reached = ends[count] ?? 0;
    hasParts[count] = whole === undefined ? 0 : 1;
    series[count] = table.series[row] ?? -1;
    itemOf[row] = count;
    count += 1;
  }
  return { count, itemOf, starts, ends, hasParts, ...neighbours(series.subarray(0, count)) };
}

function soundWhole(table: ExtentTable, row: number, from: number): ByteRange | undefined {
  const whole = table.wholes[table.whole[row] ?? -1];
  const start = table.starts[row] ?? 0;
  const end = table.ends[row] ?? 0;
  return whole !== undefined && whole.start >= from && whole.start <= start && end <= whole.end ? whole : undefined;
}

function neighbours(series: Int32Array): Pick<PatternItems, "before" | "behind" | "group"> {
  const before = new Int32Array(series.length).fill(-1);
  const behind = new Int32Array(series.length).fill(-1);
  const group = new Int32Array(series.length);
  const latest = new Map<number, number>();
  let number = 0;
  let begun = 0;
  for (const [item, own] of series.entries()) {
    const earlier = own < 0 ? undefined : latest.get(own);
    if (earlier !== undefined) {
      before[item] = earlier;
      behind[earlier] = item;
      if (earlier >= begun) {
        number += 1;
        begun = item;
      }
    }
    if (own >= 0) latest.set(own, item);
    group[item] = number;
  }
  return { before, behind, group };
}

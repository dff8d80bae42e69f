import { mergeRanges, PAGE_BYTES, rangeLength, splitRange, type ByteRange } from "../bytes/range.ts";
import type { FormatOptions, ReadPlan } from "./format.ts";

/** A gap is cheaper than another round trip up to here (256 KiB at 20 ms and 12 MB/s). */
const MERGE_GAP_BYTES = 256 * 1024;
const MERGE_PART_BYTES = 8 * 1024 * 1024;

/** The requests for `ranges` where nobody knows better. */
export function defaultMerge(ranges: readonly ByteRange[]): readonly ByteRange[] {
  return mergeRanges(ranges, MERGE_GAP_BYTES).flatMap((range) => splitRange(range, MERGE_PART_BYTES));
}

/** Elements less than this apart are one range: the cache holds pages, so bytes in between would come anyway. */
export const JOIN_GAP_BYTES: number = PAGE_BYTES;

export interface PlannedParts {
  readonly ranges: ReadPlan["ranges"];
  readonly indexBytes: number;
  readonly pruned: ReadPlan["pruned"];
}

/** The plan of a read whose ranges are known; ranges that overlap count once. */
export function planOf({ ranges, indexBytes, pruned }: PlannedParts, options: FormatOptions): ReadPlan {
  const plain = ranges.map(({ range }) => range);
  const merged = (options.merge ?? defaultMerge)(plain);
  const sum = (all: readonly ByteRange[]): number => all.reduce((bytes, range) => bytes + rangeLength(range), 0);
  return {
    ranges,
    bytesNeeded: indexBytes + sum(mergeRanges(plain)),
    bytesFetched: indexBytes + sum(merged),
    requests: merged.length,
    pruned,
  };
}

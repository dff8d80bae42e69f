import { mergeRanges, rangeLength, splitRange, type ByteRange } from "../bytes/range.ts";
import type { FormatOptions, ReadPlan } from "./format.ts";

/** Where the source does not say how it merges: what a link of 20 ms and 50 MB/s is about indifferent to. */
const GAP_BYTES = 256 * 1024;
const PART_BYTES = 8 * 1024 * 1024;

export interface PlannedReads {
  readonly ranges: ReadPlan["ranges"];
  /** Bytes of the index that were read to know them. */
  readonly indexBytes: number;
  readonly pruned?: ReadPlan["pruned"];
}

/** The plan of these reads, merged as the source would (`options.merge`). */
export function readPlan({ ranges, indexBytes, pruned = [] }: PlannedReads, options: FormatOptions = {}): ReadPlan {
  const wanted = ranges.map(({ range }) => range);
  const sent = (options.merge ?? mergeByDefault)(wanted);
  const sum = (list: readonly ByteRange[]): number => list.reduce((bytes, range) => bytes + rangeLength(range), 0);
  return {
    ranges,
    bytesNeeded: sum(mergeRanges(wanted)) + indexBytes,
    bytesFetched: sum(sent) + indexBytes,
    requests: sent.length,
    pruned,
  };
}

/** The requests for `ranges` where nobody knows better: the default of `FormatOptions.merge`. */
export function mergeByDefault(ranges: readonly ByteRange[]): readonly ByteRange[] {
  return mergeRanges(ranges, GAP_BYTES).flatMap((range) => splitRange(range, PART_BYTES));
}

import { mergeRanges, splitRange, type ByteRange } from "../../bytes/range.ts";

const GAP_BYTES = 256 * 1024;
const PART_BYTES = 8 * 1024 * 1024;

/** The default of `FormatOptions.merge`. */
export function mergeByDefault(ranges: readonly ByteRange[]): readonly ByteRange[] {
  return mergeRanges(ranges, GAP_BYTES).flatMap((range) => splitRange(range, PART_BYTES));
}

import { mergeRanges, rangeLength, type ByteRange } from "../../src/bytes/range.ts";
import { memorySource, type RangeSource } from "../../src/bytes/source.ts";

/** Bytes in memory that keep a list of what was asked of them. */
export interface LoggedSource extends RangeSource {
  /** Ranges that went out together (one `read` or `readMany`), in order. */
  readonly calls: readonly (readonly ByteRange[])[];
  /** Bytes asked for, those asked for twice counted twice. */
  bytes(): number;
  /** Requests that a source without a cache would send: touching ranges of one call are one. */
  requests(): number;
}

export function loggedSource(bytes: Uint8Array, id = "memory"): LoggedSource {
  // A Buffer would hand out views of itself instead of copies.
  const source = memorySource(id, new Uint8Array(bytes));
  const calls: ByteRange[][] = [];
  return {
    ...source,
    calls,
    read: (range, options) => {
      calls.push([range]);
      return source.read(range, options);
    },
    readMany: (ranges, options) => {
      calls.push([...ranges]);
      return source.readMany(ranges, options);
    },
    bytes: () => calls.flat().reduce((sum, range) => sum + rangeLength(range), 0),
    requests: () => calls.reduce((sum, ranges) => sum + mergeRanges(ranges).length, 0),
  };
}

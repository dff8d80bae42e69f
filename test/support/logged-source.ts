import { clip, mergeRanges, rangeLength, splitRange, type ByteRange } from "../../src/bytes/range.ts";
import { memorySource, type RangeSource } from "../../src/bytes/source.ts";

/** Bytes in memory that keep a list of what was asked of them. */
export interface LoggedSource extends RangeSource {
  /** Ranges that went out together (one `read` or `readMany`), in order: a dependent round trip of a reader that waits for each. */
  readonly calls: readonly (readonly ByteRange[])[];
  /** The requests that the calls would have been sent as: gaps up to 256 KiB merged, parts of 8 MiB at most. */
  sent(): readonly ByteRange[];
  /** Bytes asked for, those asked for twice counted twice. */
  bytes(): number;
  /** Requests that a source without a cache would send: touching ranges of one call are one. */
  requests(): number;
  /** Forgets what was asked so far. */
  reset(): void;
}

const GAP_BYTES = 256 * 1024;
const PART_BYTES = 8 * 1024 * 1024;

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
    sent: () => calls.flatMap((call) => mergeRanges(call, GAP_BYTES).flatMap((part) => splitRange(part, PART_BYTES))),
    bytes: () => calls.flat().reduce((sum, range) => sum + rangeLength(clip(range, source.size)), 0),
    reset: () => {
      calls.length = 0;
    },
    requests: () => calls.reduce((sum, ranges) => sum + mergeRanges(ranges).length, 0),
  };
}

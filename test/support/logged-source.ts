import { mergeRanges, splitRange, type ByteRange } from "../../src/bytes/range.ts";
import { memorySource, type RangeSource } from "../../src/bytes/source.ts";

export interface LoggedSource extends RangeSource {
  /** Every call, in order: what was asked for together. Each waits for the one before it, if its caller did. */
  readonly calls: ByteRange[][];
  /** The requests that the calls would have been sent as: gaps up to 256 KiB merged, parts of 8 MiB at most. */
  requests(): readonly ByteRange[];
  /** Bytes asked for, without merging. */
  bytes(): number;
}

const GAP_BYTES = 256 * 1024;
const PART_BYTES = 8 * 1024 * 1024;

/** A memory source that writes down what it is asked. */
export function loggedSource(content: Uint8Array, id = "logged"): LoggedSource {
  const inner = memorySource(id, content);
  const calls: ByteRange[][] = [];
  return {
    id,
    size: inner.size,
    read: (range, options) => {
      calls.push([range]);
      return inner.read(range, options);
    },
    readMany: (ranges, options) => {
      calls.push([...ranges]);
      return inner.readMany(ranges, options);
    },
    calls,
    requests: () =>
      calls.flatMap((call) => mergeRanges(call, GAP_BYTES).flatMap((part) => splitRange(part, PART_BYTES))),
    bytes: () => calls.flat().reduce((sum, { start, end }) => sum + end - start, 0),
  };
}

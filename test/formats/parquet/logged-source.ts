import type { ByteRange } from "../../../src/bytes/range.ts";
import { memorySource, type RangeSource } from "../../../src/bytes/source.ts";

export interface LoggedSource extends RangeSource {
  /** One entry for each call, that is for each dependent round trip of a reader that waits for its reads. */
  readonly trips: (readonly ByteRange[])[];
  bytes(): number;
  reset(): void;
}

/** Bytes in memory that remember what was asked of them. */
export function loggedSource(content: Uint8Array): LoggedSource {
  const inner = memorySource("logged", content);
  const trips: (readonly ByteRange[])[] = [];
  return {
    ...inner,
    trips,
    bytes: () => trips.flat().reduce((sum, { start, end }) => sum + Math.min(end, content.length) - start, 0),
    reset: () => {
      trips.length = 0;
    },
    read: (range, options) => {
      trips.push([range]);
      return inner.read(range, options);
    },
    readMany: (ranges, options) => {
      trips.push(ranges);
      return inner.readMany(ranges, options);
    },
  };
}

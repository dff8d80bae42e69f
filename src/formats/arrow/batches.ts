import { rangeLength, type ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import type { ArrowFile, Block } from "./footer.ts";

/** Reads ranges of an Arrow file: those in the tail that opening has read from memory, the others together. */
export type ReadParts = (ranges: readonly ByteRange[], options: ReadOptions) => Promise<readonly Uint8Array[]>;

export function partsReader(source: RangeSource, { tail }: Pick<ArrowFile, "tail">): ReadParts {
  const known = source.size - tail.length;
  return async (ranges, options) => {
    const missing = ranges.filter((range) => range.start < known && rangeLength(range) > 0);
    const read = missing.length === 0 ? [] : await source.readMany(missing, options);
    let next = 0;
    return ranges.map((range) => {
      if (rangeLength(range) === 0) return new Uint8Array();
      if (range.start >= known) return tail.subarray(range.start - known, range.end - known);
      return read[next++] ?? new Uint8Array();
    });
  };
}

export function metadataRange({ start, metadataBytes }: Block): ByteRange {
  return { start, end: start + metadataBytes };
}

export function bodyRange({ start, metadataBytes, bodyBytes }: Block): ByteRange {
  return { start: start + metadataBytes, end: start + metadataBytes + bodyBytes };
}

/** Neighbours whose bytes together stay below `bytes`; one at the least. */
export function* grouped<T>(
  items: readonly T[],
  { bytes, of }: { bytes: number; of: (item: T) => number },
): Generator<readonly T[]> {
  let group: T[] = [];
  let sum = 0;
  for (const item of items) {
    if (group.length > 0 && sum + of(item) > bytes) {
      yield group;
      group = [];
      sum = 0;
    }
    group.push(item);
    sum += of(item);
  }
  if (group.length > 0) yield group;
}

import type { ByteRange } from "../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../bytes/source.ts";

/** Bytes of a source that are there already. */
export interface FetchedPiece {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** A source in front of which pieces of it lie: what is within one of them is not read again. The pieces are only lent. */
export function fetchedSource(source: RangeSource, pieces: readonly FetchedPiece[]): RangeSource {
  const sorted = pieces.toSorted((a, b) => a.start - b.start);
  const known = ({ start, end }: ByteRange): Uint8Array | undefined => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sorted[middle]?.start ?? Infinity) <= start) low = middle + 1;
      else high = middle;
    }
    const piece = sorted[low - 1];
    if (piece === undefined || end > piece.start + piece.bytes.length) return undefined;
    return piece.bytes.subarray(start - piece.start, end - piece.start);
  };
  const readMany = async (ranges: readonly ByteRange[], options?: ReadOptions): Promise<readonly Uint8Array[]> => {
    const found = ranges.map(known);
    const missing = ranges.filter((_, i) => found[i] === undefined);
    const read = missing.length === 0 ? [] : [...(await source.readMany(missing, options))];
    return found.map((bytes) => bytes ?? read.shift() ?? new Uint8Array());
  };
  return {
    id: source.id,
    size: source.size,
    readMany,
    read: async (range, options) => known(range) ?? source.read(range, options),
  };
}

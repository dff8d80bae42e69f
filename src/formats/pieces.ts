import { rangeLength, type ByteRange } from "../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../bytes/source.ts";
import { RiffleError } from "../errors.ts";

/** Small reads of one file that mostly follow each other: headers, boxes, records. */
export interface Pieces {
  /** Exactly these bytes. Rejects with `malformed` where they do not lie in the file, or are more than a header may have. */
  read(range: ByteRange): Promise<Uint8Array>;
  /** Whether they were read already. */
  has(range: ByteRange): boolean;
  /** Requests so far. */
  readonly requests: number;
}

export interface PiecesOptions extends ReadOptions {
  /** "LAS file": for messages. */
  readonly what: string;
  /** What a request takes at least, the first one and later ones. */
  readonly firstBytes: number;
  readonly laterBytes: number;
  /** The most that one piece may have: sizes in files are outside input. */
  readonly maxBytes: number;
}

/** Holds the bytes of its last two requests: what lies in either costs nothing. */
export function piecesOf(source: RangeSource, options: PiecesOptions): Pieces {
  const { what, firstBytes, laterBytes, maxBytes, ...how } = options;
  let windows: readonly (ByteRange & { readonly bytes: Uint8Array })[] = [];
  let requests = 0;
  const windowOf = (range: ByteRange): (ByteRange & { readonly bytes: Uint8Array }) | undefined =>
    windows.find(({ start, end }) => start <= range.start && range.end <= end);
  const read = async (range: ByteRange): Promise<Uint8Array> => {
    const length = rangeLength(range);
    if (!(range.start >= 0 && length >= 0 && range.end <= source.size)) {
      throw new RiffleError("malformed", `the ${what} is cut short or broken: byte ${range.end} is beyond its end`);
    }
    if (length > maxBytes) {
      throw new RiffleError("malformed", `the ${what} has a header of ${length} bytes, more than any sound one`, {
        facts: { bytes: length, limit: maxBytes },
      });
    }
    let window = windowOf(range);
    if (window === undefined) {
      const wanted = Math.max(length, requests === 0 ? firstBytes : laterBytes);
      requests += 1;
      const taken = { start: range.start, end: Math.min(source.size, range.start + wanted) };
      window = { ...taken, bytes: await source.read(taken, { priority: "metadata", ...how }) };
      windows = [window, ...windows.slice(0, 1)];
    }
    return window.bytes.subarray(range.start - window.start, range.end - window.start);
  };
  return {
    read,
    has: (range) => windowOf(range) !== undefined,
    get requests() {
      return requests;
    },
  };
}

import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { TAIL_BYTES } from "../first-bytes.ts";

/** Length of the footer, and `PAR1`. */
const TRAILER_BYTES = 8;
const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;

/** The last bytes of a file, up to its end. */
export interface Tail {
  readonly start: number;
  readonly bytes: Uint8Array;
}

export interface Footer {
  /** Thrift's FileMetaData. */
  readonly bytes: Uint8Array;
  /** Where they lie in the file. */
  readonly range: ByteRange;
  /** What was read to get them: it answers reads of the page index that lies in it. */
  readonly tail: Tail;
}

export interface FooterOptions extends ReadOptions {
  readonly maxBytes?: number;
}

/** One read, a second one when the footer is longer than the guess. An encrypted footer is `unsupported`. */
export async function readFooter(source: RangeSource, options: FooterOptions = {}): Promise<Footer> {
  const how = { priority: "metadata" as const, ...options };
  const { size } = source;
  const start = Math.max(0, size - TAIL_BYTES);
  const read = await source.read({ start, end: size }, how);
  // A plain view whatever the source gives: slices of a Buffer would be no copies.
  const first = new Uint8Array(read.buffer, read.byteOffset, read.byteLength);
  const length = footerLength(first, size);
  if (length > (options.maxBytes ?? DEFAULT_MAX_BYTES)) {
    throw new RiffleError("unsupported", `the footer of this Parquet file has ${length} bytes, more than the limit`);
  }
  const range = { start: size - TRAILER_BYTES - length, end: size - TRAILER_BYTES };
  const tail = range.start >= start ? { start, bytes: first } : await longer(source, { range, start, first, how });
  return { bytes: tail.bytes.subarray(range.start - tail.start, range.end - tail.start), range, tail };
}

function footerLength(tail: Uint8Array, size: number): number {
  const trailer = Buffer.from(tail.subarray(Math.max(0, tail.length - TRAILER_BYTES)));
  const magic = trailer.subarray(-4).toString("latin1");
  if (magic === "PARE") {
    throw new RiffleError("unsupported", "this Parquet file is encrypted (its footer has the magic PARE)");
  }
  if (trailer.length < TRAILER_BYTES || magic !== "PAR1") {
    throw new RiffleError("malformed", "this is no Parquet file, or it was cut short: it does not end in PAR1");
  }
  const length = trailer.readUInt32LE(0);
  if (length > size - TRAILER_BYTES - 4) {
    throw new RiffleError("malformed", `this Parquet file is too short for its footer of ${length} bytes`);
  }
  return length;
}

interface LongFooter {
  readonly range: ByteRange;
  readonly start: number;
  readonly first: Uint8Array;
  readonly how: ReadOptions;
}

async function longer(source: RangeSource, { range, start, first, how }: LongFooter): Promise<Tail> {
  const rest = await source.read({ start: range.start, end: start }, how);
  const bytes = new Uint8Array(rest.length + first.length);
  bytes.set(rest);
  bytes.set(first, rest.length);
  return { start: range.start, bytes };
}

/** Several ranges at once, those in the tail without a read. */
export async function readWithTail(
  source: RangeSource,
  options: { readonly tail: Tail; readonly ranges: readonly ByteRange[] } & ReadOptions,
): Promise<readonly Uint8Array[]> {
  const { tail, ranges } = options;
  const missing = ranges.filter((range) => range.start < tail.start);
  const read = missing.length === 0 ? [] : await source.readMany(missing, { priority: "metadata", ...options });
  let next = 0;
  return ranges.map(({ start, end }) =>
    start < tail.start ? (read[next++] ?? new Uint8Array()) : tail.bytes.subarray(start - tail.start, end - tail.start),
  );
}

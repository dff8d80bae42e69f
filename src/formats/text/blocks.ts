import { isUtf8 } from "node:buffer";
import { rangeLength } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";

/** Types are told from the first block, and a limit that it satisfies reads nothing else. */
export const BLOCK_BYTES: number = 1024 * 1024;
/** A reader of everything asks for more with every request, so that a link's delay counts ever less. */
const MAX_WINDOW_BYTES = 8 * 1024 * 1024;
/** A row that is longer is no row: this bounds what is held. */
const MAX_ROW_BYTES = 16 * 1024 * 1024;

/** Whole rows. The bytes are UTF-8. */
export interface RowBlock {
  readonly bytes: Uint8Array;
  /** Lines of the file before this block. */
  readonly linesBefore: number;
}

export interface BlockOptions extends ReadOptions {
  /** The first bytes of the file, read already: at most BLOCK_BYTES. */
  readonly first: Uint8Array;
  /** Bytes of `first` that hold no rows (a byte order mark). */
  readonly skip: number;
  /** `\n` or `\r`: a row end outside of quotes. */
  readonly lineEnd: number;
  /** The byte within which row ends do not count; undefined where there is no such thing. */
  readonly quote?: number;
  /** Read the next window while this one is worked on: for who will read everything. */
  readonly ahead?: boolean;
}

/** The file as blocks of whole rows, each of one piece as it was read and what was left of the one before. */
export async function* rowBlocks(source: RangeSource, options: BlockOptions): AsyncGenerator<RowBlock> {
  const { lineEnd, quote } = options;
  let rest: Uint8Array = new Uint8Array();
  let linesBefore = 0;
  let scan: Scan = { end: 0, isQuoted: false };
  for await (const piece of pieces(source, options)) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    scan = lastRowEnd(bytes, { lineEnd, quote, from: rest.length, isQuoted: scan.isQuoted });
    if (scan.end > 0) {
      yield { bytes: checked(bytes.subarray(0, scan.end), source.id), linesBefore };
      linesBefore += count(bytes.subarray(0, scan.end), lineEnd);
    }
    rest = bytes.subarray(scan.end);
    if (rest.length > MAX_ROW_BYTES) {
      const hint = scan.isQuoted ? { hint: "a quote that never closes makes one" } : {};
      throw new RiffleError("malformed", `the row at line ${linesBefore + 1} is longer than 16 MiB`, hint);
    }
  }
  if (rest.length > 0) yield { bytes: checked(rest, source.id), linesBefore };
}

export interface Scan {
  /** Behind the last row end that was found; 0 when there is none. */
  readonly end: number;
  /** Whether the bytes end inside of quotes. */
  readonly isQuoted: boolean;
}

/** A doubled quote inside of quotes closes and opens again, so that counting quotes is enough. */
export function lastRowEnd(
  bytes: Uint8Array,
  {
    lineEnd,
    quote,
    from,
    isQuoted: before,
  }: { lineEnd: number; quote: number | undefined; from: number; isQuoted: boolean },
): Scan {
  if (quote === undefined) return { end: bytes.lastIndexOf(lineEnd) + 1, isQuoted: false };
  let isQuoted = before;
  let end = 0;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) isQuoted = !isQuoted;
    else if (byte === lineEnd && !isQuoted) end = at + 1;
  }
  return { end, isQuoted };
}

/** The file from its beginning, in pieces of a block, fetched in windows that double. */
async function* pieces(source: RangeSource, { first, skip, ahead, signal }: BlockOptions): AsyncGenerator<Uint8Array> {
  const how = { priority: "demand" as const, ...(signal === undefined ? {} : { signal }) };
  let bytes = BLOCK_BYTES;
  let start = first.length;
  const next = (): Promise<Uint8Array> | undefined => {
    if (start >= source.size) return undefined;
    const range = { start, end: Math.min(source.size, start + bytes) };
    start = range.end;
    bytes = Math.min(bytes * 2, MAX_WINDOW_BYTES);
    const read = source.read(range, how).then((answer) => whole(answer, rangeLength(range)));
    // Awaited below, or left behind when the reader stops: then nobody is to hear of its failure.
    read.catch(() => undefined);
    return read;
  };
  let coming = ahead === true ? next() : undefined;
  yield first.subarray(skip);
  for (;;) {
    const window = await (coming ?? next());
    if (window === undefined) return;
    coming = ahead === true ? next() : undefined;
    for (let at = 0; at < window.length; at += BLOCK_BYTES) yield window.subarray(at, at + BLOCK_BYTES);
  }
}

function whole(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length)
    throw new RiffleError("misbehaved", `${bytes.length} bytes came where ${length} were asked for`);
  return bytes;
}

/** The bytes, when they are UTF-8. */
export function checked(bytes: Uint8Array, id: string): Uint8Array {
  if (!isUtf8(bytes))
    throw new RiffleError("unsupported", `text that is not UTF-8: ${id}`, { hint: "convert it to UTF-8" });
  return bytes;
}

function count(bytes: Uint8Array, byte: number): number {
  let found = 0;
  for (let at = bytes.indexOf(byte); at !== -1; at = bytes.indexOf(byte, at + 1)) found++;
  return found;
}

import { createInflateRaw, crc32, type InflateRaw } from "node:zlib";
import { Limiter } from "../bytes/limiter.ts";
import { rangeLength, splitRange, type ByteRange } from "../bytes/range.ts";
import { checkRange, type RangeSource, type ReadOptions } from "../bytes/source.ts";
import { abortError, isRiffleError, RiffleError } from "../errors.ts";
import { ahead } from "./read-ahead.ts";

export interface Deflated {
  readonly source: RangeSource;
  /** Of the compressed bytes. */
  readonly range: ByteRange;
  /** Of the content, as declared. */
  readonly size: number;
  readonly crc32: number;
  /** Names the content in messages. */
  readonly what: string;
}

/** Deflate makes at most 1032 bytes of one (a length of 258 in two bits). */
const MAX_RATIO = 1032;
const WINDOW_BYTES = 8 * 1024 * 1024;

/** Throws `malformed` for content that so few bytes cannot inflate to. */
export function checkRatio({ range, size, what }: Deflated): void {
  if (size > rangeLength(range) * MAX_RATIO) {
    throw new RiffleError(
      "malformed",
      `${what} declares ${size} bytes, more than its ${rangeLength(range)} can inflate to`,
    );
  }
}

/**
 * Deflated content as a source. It can only be entered at its beginning: reads in ascending order inflate it once, a read
 * that goes back begins anew. Nothing is kept but what was asked for. Content that is longer or shorter than declared, or,
 * when its last byte was read, does not have its checksum is `malformed`.
 */
export function inflatedSource(deflated: Deflated): RangeSource {
  const one = new Limiter(1);
  let cursor: Cursor | undefined;
  const readAll = async (ranges: readonly ByteRange[], options: ReadOptions): Promise<readonly Uint8Array[]> => {
    const order = ranges.map((_, i) => i).sort((a, b) => (ranges[a]?.start ?? 0) - (ranges[b]?.start ?? 0));
    const pieces = Array.from(ranges, (): Uint8Array => new Uint8Array());
    try {
      for (const i of order) {
        const { start, end } = ranges[i] ?? { start: 0, end: 0 };
        if (cursor === undefined || start < cursor.offset()) {
          cursor?.close();
          cursor = inflate(deflated, options);
        }
        pieces[i] = await cursor.take({ start, end: Math.min(end, deflated.size) });
      }
    } catch (cause) {
      cursor?.close();
      cursor = undefined;
      if (options.signal?.aborted === true) throw abortError(options.signal);
      if (isRiffleError(cause)) throw cause;
      throw new RiffleError("malformed", `${deflated.what} does not inflate`, { cause });
    }
    return pieces;
  };
  const readMany = (ranges: readonly ByteRange[], options: ReadOptions = {}): Promise<readonly Uint8Array[]> => {
    ranges.forEach(checkRange);
    return one.run(() => readAll(ranges, options));
  };
  return {
    id: `${deflated.source.id}[${deflated.range.start},${deflated.range.end}):inflated`,
    size: deflated.size,
    readMany,
    read: async (range, options) => (await readMany([range], options))[0] ?? new Uint8Array(),
  };
}

interface Cursor {
  /** The first byte that can still be had. */
  offset(): number;
  take(range: ByteRange): Promise<Uint8Array>;
  close(): void;
}

function inflate({ source, range, size, crc32: sum, what }: Deflated, options: ReadOptions): Cursor {
  const ending = new AbortController();
  const windows = ahead(splitRange(range, WINDOW_BYTES), {
    read: (window, signal) => source.read(window, { ...options, signal }),
    signal: ending.signal,
  });
  const stream = createInflateRaw({ chunkSize: 256 * 1024 });
  // Whoever takes the next chunk learns of an error; until then it is nobody's.
  stream.on("error", () => undefined);
  const close = (): void => {
    ending.abort();
    stream.destroy();
  };
  options.signal?.addEventListener("abort", close, { once: true });
  const fed = feed(stream, windows);
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  let chunk: Uint8Array = new Uint8Array();
  let base = 0;
  let check = 0;
  const next = async (): Promise<boolean> => {
    const step = await chunks.next();
    base += chunk.length;
    chunk = step.done === true ? new Uint8Array() : step.value;
    check = crc32(chunk, check);
    if (base + chunk.length > size) throw new RiffleError("malformed", `${what} inflates to more than it declares`);
    if (step.done !== true) return true;
    await fed;
    if (base !== size || check !== sum) {
      throw new RiffleError("malformed", `${what} does not have the length and checksum it declares`);
    }
    return false;
  };
  return {
    offset: () => base,
    take: async ({ start, end }) => {
      const piece = new Uint8Array(Math.max(0, end - start));
      for (let done = 0; done < piece.length;) {
        const at = start + done - base;
        if (at >= chunk.length) {
          if (!(await next())) throw new RiffleError("malformed", `${what} ends early`);
          continue;
        }
        const part = chunk.subarray(at, at + piece.length - done);
        piece.set(part, done);
        done += part.length;
      }
      // Its end is proven by what follows: nothing but the checksum.
      if (end === size && end > start) while (base + chunk.length === size && (await next()));
      return piece;
    },
    close,
  };
}

/** Writes windows as they are taken. An error of theirs is that of the stream. */
async function feed(stream: InflateRaw, windows: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const window of windows) {
      if (stream.destroyed || stream.readableEnded) return;
      if (!stream.write(window)) {
        await new Promise<void>((resolve) => {
          stream.once("drain", resolve);
          stream.once("close", resolve);
          stream.once("end", resolve);
        });
      }
    }
    stream.end();
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error("reading failed", { cause: error }));
  }
}

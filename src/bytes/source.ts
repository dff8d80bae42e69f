import { RiffleError } from "../errors.ts";
import { clip, isEmpty, type ByteRange } from "./range.ts";

/** Why bytes are wanted; a limiter serves the earlier kinds first. */
export type Priority = "metadata" | "demand" | "prefetch";

export interface ReadOptions {
  readonly signal?: AbortSignal;
  readonly priority?: Priority;
}

/** Immutable bytes of known length. Equal ids mean equal bytes. */
export interface RangeSource {
  readonly id: string;
  readonly size: number;
  /** Resolves to exactly `min(end, size) - start` bytes that the caller may keep, or rejects. Never short. */
  read(range: ByteRange, options?: ReadOptions): Promise<Uint8Array>;
  /** Several ranges planned as one: merged, deduplicated in flight, answered in the order asked. */
  readMany(ranges: readonly ByteRange[], options?: ReadOptions): Promise<readonly Uint8Array[]>;
}

/**
 * Takes bytes as they arrive. `offset` is in the source's own coordinates; the bytes are only lent until it returns. A
 * source waits for the promise that a sink may return before it gives it more: that is how a slow disk holds back a fast link.
 */
export type ByteSink = (offset: number, bytes: Uint8Array) => void | Promise<void>;

export interface StreamOptions extends ReadOptions {
  /** Asked for because a first request for the same bytes is late: it waits for nothing that the first has yet to find out. */
  readonly isSecond?: boolean;
}

/** A source whose bytes can be had as they arrive, also outside the range asked for (a 200 where a 206 was wanted). */
export interface StreamingSource extends RangeSource {
  /**
   * Resolves when every byte of `range` has been given to `sink`, in order of offset. What was given before a
   * rejection was right and may be kept. Bytes outside `range` may be given too.
   */
  stream(range: ByteRange, sink: ByteSink, options?: StreamOptions): Promise<void>;
}

/** Rejects ranges that no file could have. Every implementation calls it first. */
export function checkRange(range: ByteRange): void {
  if (
    !Number.isSafeInteger(range.start) ||
    !Number.isSafeInteger(range.end) ||
    range.start < 0 ||
    range.end < range.start
  ) {
    throw new RiffleError("usage", `not a byte range: [${range.start}, ${range.end})`);
  }
}

/** The reference implementation of the contract: bytes in memory, read at once, copied out. */
export function memorySource(id: string, bytes: Uint8Array): RangeSource {
  const read = async (range: ByteRange, options?: ReadOptions): Promise<Uint8Array> => {
    checkRange(range);
    options?.signal?.throwIfAborted();
    const { start, end } = clip(range, bytes.length);
    return bytes.slice(start, end);
  };
  return {
    id,
    size: bytes.length,
    read,
    readMany: (ranges, options) => Promise.all(ranges.map((r) => read(r, options))),
  };
}

/** A window of another source, as a source of its own. */
export function sliceSource(
  source: RangeSource,
  window: ByteRange,
  id = `${source.id}[${window.start},${window.end})`,
): RangeSource {
  const { start: base, end: limit } = clip(window, source.size);
  const size = limit - base;
  const shift = (range: ByteRange): ByteRange => {
    checkRange(range);
    const inside = clip(range, size);
    return isEmpty(inside) ? { start: base, end: base } : { start: base + inside.start, end: base + inside.end };
  };
  return {
    id,
    size,
    read: (range, options) => source.read(shift(range), options),
    readMany: (ranges, options) => source.readMany(ranges.map(shift), options),
  };
}

import { clip, type ByteRange } from "../bytes/range.ts";
import { checkRange, type ByteSink, type ReadOptions, type StreamingSource } from "../bytes/source.ts";

/** A source that is opened by its first read; a failed opening is tried again by the next. */
export function deferredSource(
  blob: { readonly id: string; readonly size: number },
  open: (signal?: AbortSignal) => Promise<StreamingSource>,
): StreamingSource {
  let opened: StreamingSource | undefined;
  const source = async (options: ReadOptions | undefined): Promise<StreamingSource> => {
    opened ??= await open(options?.signal);
    return opened;
  };
  return {
    id: blob.id,
    size: blob.size,
    read: async (range, options) => (await source(options)).read(range, options),
    readMany: async (ranges, options) => (await source(options)).readMany(ranges, options),
    stream: async (range, sink, options) => (await source(options)).stream(range, sink, options),
  };
}

/** Bytes that are at hand already, such as a descriptor's embedded data. */
export function dataSource(id: string, bytes: Uint8Array): StreamingSource {
  const part = (range: ByteRange, options: ReadOptions | undefined): Uint8Array => {
    checkRange(range);
    options?.signal?.throwIfAborted();
    const { start, end } = clip(range, bytes.length);
    return bytes.slice(start, end);
  };
  return {
    id,
    size: bytes.length,
    read: async (range, options) => part(range, options),
    readMany: async (ranges, options) => ranges.map((range) => part(range, options)),
    stream: async (range: ByteRange, sink: ByteSink, options) => {
      const piece = part(range, options);
      if (piece.length > 0) await sink(range.start, piece);
    },
  };
}

import { rangeLength, type ByteRange } from "../bytes/range.ts";

/** A run of reads that go on where the last one ended. */
export interface Stream {
  start: number;
  /** Where the next read is expected. */
  next: number;
  reads: number;
  /** Bytes read since `start`. */
  consumed: number;
  /** Length of the first read. */
  readonly firstBytes: number;
  /** Everything before it was asked for, at least. */
  horizon: number;
}

/** Reads of a stream that overtook each other or skipped a little: in lengths of the read, and at most so many bytes. */
const SKIP_READS = 8;
const MAX_SKIP_BYTES = 1024 * 1024;

/**
 * Gives the read to the stream that it goes on with, or undefined. A stream must have proven itself (three reads) before it may
 * skip; what was asked for ahead of it may be read from anywhere, for a reader that is served elsewhere shows up late.
 */
export function takeRead(streams: Stream[], range: ByteRange): Stream | undefined {
  const skip = Math.min(MAX_SKIP_BYTES, SKIP_READS * rangeLength(range));
  // The most recent first: streams may run into each other.
  const stream = streams.findLast(({ start, next, reads, horizon }) => {
    const slack = reads >= 3 ? skip : 0;
    return (
      range.start >= Math.max(start, next - slack - rangeLength(range)) &&
      range.start <= Math.max(next + slack, horizon)
    );
  });
  if (stream === undefined) return undefined;
  if (range.end > stream.next) {
    stream.reads += 1;
    // What was skipped counts as far as it was asked for: it was read elsewhere. What lies behind that nobody has read.
    const skipped = Math.max(0, Math.min(range.start, stream.horizon) - stream.next);
    stream.consumed += range.end - Math.max(range.start, stream.next) + skipped;
    stream.next = range.end;
  }
  absorb(streams, stream);
  return stream;
}

/** A read that came early began a stream of its own; once the gap before it is closed the two are one. */
function absorb(streams: Stream[], stream: Stream): void {
  const early = streams.find(
    (other) => other !== stream && other.start > stream.start && other.start <= stream.next && other.next > stream.next,
  );
  if (early === undefined) return;
  stream.consumed += early.next - stream.next;
  stream.next = early.next;
  stream.reads += early.reads;
  stream.horizon = Math.max(stream.horizon, early.horizon);
  streams.splice(streams.indexOf(early), 1);
}

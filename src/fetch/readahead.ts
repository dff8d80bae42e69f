import { PAGE_BYTES, rangeLength, type ByteRange } from "../bytes/range.ts";
import { takeRead, type Stream } from "./stream.ts";

export interface ReadAheadOptions {
  /** Size of the content. */
  readonly size: number;
  /** Where reading ahead from an offset must end, whatever the stream: units of a format are had by other rules. */
  readonly limitAt?: (offset: number) => number;
  /** The farthest that a stream is read ahead of. Default 64 MiB. */
  readonly maxWindowBytes?: number;
}

/** What one read of a handle suggests to fetch after it. */
export interface RunAdvice {
  /** What the stream will want next; starts behind all that was granted before. */
  readonly ahead: ByteRange | undefined;
  /** The size of requests for `ahead`. */
  readonly partBytes: number;
  readonly stream: Stream;
}

const DEFAULT_WINDOW_BYTES = 64 * 1024 * 1024;
/** An eighth of the window each, so that eight connections share it; between what a request is worth and what memory bears. */
const PARTS_PER_WINDOW = 8;
const MIN_PART_BYTES = 256 * 1024;
const MAX_PART_BYTES = 8 * 1024 * 1024;
/** A rest of the content that is not worth a request of its own. */
const TAIL_BYTES = 64 * 1024;
/** Interleaved streams of one handle: columns of a row group, planes of a raster. */
const MAX_STREAMS = 4;
/** Finished runs that are remembered. */
const MAX_RUNS = 4;
/**
 * Programs that want all of a file begin at its start. A run that begins inside is mostly a unit of a format, or a few that
 * lie together (the tiles of a window: two or three of half a mebibyte), and ends where they do; twice what earlier runs of
 * the handle came to is more than that. A handle that had a long run may have another.
 */
const MIN_PROOF_BYTES = 2 * 1024 * 1024;
const LONG_RUN_BYTES = 4 * 1024 * 1024;
/** So many small reads in a row are a stream too, before each has cost a round trip; a row of tiles is four to eight. */
const PROOF_READS = 12;
/** A first read of a file that is this large comes from a program that copies: it need not prove itself twice. */
const COPY_READ_BYTES = 1024 * 1024;
/** The window after a loss: it grows again with what is read, as it did at first. */
const LOST_WINDOW_BYTES = 1024 * 1024;
/** So much in one run is a copy, wherever it began. */
const COPY_BYTES = 32 * 1024 * 1024;

/**
 * Follows the reads of one handle and says what comes next; no I/O, no clock. A stream is read ahead of from its third
 * contiguous read on, by no more than it has consumed, so that at most as much is fetched in vain as was read.
 */
export class ReadAhead {
  readonly #options: ReadAheadOptions;
  readonly #maxWindow: number;
  /** Least recently used first. */
  readonly #streams: Stream[] = [];
  /** Runs that ended in a jump, newest last: what the next run of this shape is likely to be. */
  readonly #runs: Stream[] = [];

  constructor(options: ReadAheadOptions) {
    this.#options = options;
    this.#maxWindow = options.maxWindowBytes ?? DEFAULT_WINDOW_BYTES;
  }

  onRead(range: ByteRange): RunAdvice {
    const stream = this.#follow(range);
    const part = Math.round(this.#window(stream) / PARTS_PER_WINDOW / PAGE_BYTES) * PAGE_BYTES;
    const partBytes = Math.min(MAX_PART_BYTES, Math.max(MIN_PART_BYTES, part));
    return { ahead: this.#ahead(stream, range, partBytes), partBytes, stream };
  }

  /** Whether a stream is that of a program which wants all of the content, one byte after the other. */
  isCopy(stream: Stream): boolean {
    if (stream.consumed >= COPY_BYTES) return true;
    return (
      stream.start === 0 && (this.#isLargeCopy(stream) || (stream.reads >= 3 && stream.consumed >= MIN_PROOF_BYTES))
    );
  }

  /** What is coming for the stream of an advice: up to `end`. */
  granted(advice: RunAdvice, end: number): void {
    advice.stream.horizon = Math.max(advice.stream.horizon, end);
  }

  /**
   * What was granted of a range did not come. It is read ahead again, and not left to reads of the program's own size, once
   * the stream has proven itself anew: a registry that fails is not asked for more than is wanted.
   */
  lost(range: ByteRange): void {
    for (const stream of this.#streams) {
      if (range.start < stream.start || range.start >= stream.horizon) continue;
      stream.horizon = Math.max(stream.next, range.start);
      stream.consumed = Math.min(stream.consumed, LOST_WINDOW_BYTES);
      stream.reads = 0;
    }
  }

  /** Offsets at which a reader that is served elsewhere should be heard of again, most recent stream first. */
  marks(): readonly number[] {
    return this.#streams.toReversed().flatMap((stream) => {
      if (stream.horizon <= stream.next || stream.horizon >= this.#options.size) return [];
      const part = Math.max(MIN_PART_BYTES, this.#window(stream) / PARTS_PER_WINDOW);
      const room = stream.next + this.#window(stream) - stream.horizon;
      // While the window grows with what is read, each byte read makes room for two.
      const step = (Math.min(MAX_PART_BYTES, part) - room) / (stream.consumed < this.#maxWindow ? 2 : 1);
      const mark = Math.min(stream.next + Math.max(PAGE_BYTES, Math.ceil(step)), stream.horizon) - 1;
      return [mark];
    });
  }

  #follow(range: ByteRange): Stream {
    const known = takeRead(this.#streams, range);
    if (known !== undefined) {
      this.#streams.splice(this.#streams.indexOf(known), 1);
      this.#streams.push(known);
      const again = this.#runs.indexOf(known);
      if (again >= 0) this.#runs.splice(again, 1);
      return known;
    }
    const ended = this.#streams.at(-1);
    if (ended !== undefined && ended.reads > 1) {
      this.#runs.push(ended);
      if (this.#runs.length > MAX_RUNS) this.#runs.shift();
    }
    const bytes = rangeLength(range);
    const stream: Stream = {
      start: range.start,
      next: range.end,
      reads: 1,
      consumed: bytes,
      firstBytes: bytes,
      horizon: 0,
    };
    if (this.#streams.length === MAX_STREAMS) this.#streams.shift();
    this.#streams.push(stream);
    return stream;
  }

  #window(stream: Stream): number {
    if (stream.reads < 3 && !this.#isLargeCopy(stream)) return 0;
    if (stream.start > 0 && stream.reads < PROOF_READS && stream.consumed < this.#proofBytes()) return 0;
    return Math.min(stream.consumed, this.#maxWindow);
  }

  #isLargeCopy(stream: Stream): boolean {
    return stream.start === 0 && stream.firstBytes >= COPY_READ_BYTES && stream.reads >= 2;
  }

  /** What a run that begins inside the file must consume before it counts as more than one unit of a format. */
  #proofBytes(): number {
    const longest = Math.max(0, ...this.#runs.map((run) => run.consumed));
    return longest >= LONG_RUN_BYTES ? 0 : Math.max(MIN_PROOF_BYTES, 2 * longest);
  }

  /** Where the run is expected to end: as the last ones of this handle that began like it. */
  #expectedEnd(stream: Stream): number | undefined {
    if (stream.reads < 2) return undefined;
    const alike = this.#runs.filter(
      (run) => run.firstBytes <= 2 * stream.firstBytes && stream.firstBytes <= 2 * run.firstBytes,
    );
    if (alike.length < 2) return undefined;
    const lengths = alike.map((run) => run.consumed);
    const shortest = Math.min(...lengths, this.#maxWindow);
    const end = stream.start + shortest;
    return Math.max(...lengths) <= 1.5 * shortest && end > stream.next ? end : undefined;
  }

  #ahead(stream: Stream, range: ByteRange, partBytes: number): ByteRange | undefined {
    const expected = this.#expectedEnd(stream);
    const { size, limitAt } = this.#options;
    const bound = this.isCopy(stream) ? size : (limitAt?.(Math.max(range.start, range.end - 1)) ?? size);
    if (bound <= stream.next) return undefined;
    const limit = Math.min(size, bound);
    const wish = expected ?? stream.next + this.#window(stream);
    const target = wish > stream.next && limit - wish <= TAIL_BYTES ? limit : wish;
    const start = Math.max(stream.horizon, stream.next);
    if (start >= target) return undefined;
    if (target === limit) return { start, end: limit };
    // Whole pages: a part that begins inside a page would have it fetched twice. Whole parts, once the stream runs.
    const grain = stream.horizon <= stream.next ? PAGE_BYTES : partBytes;
    const end = start + Math.floor((target - start) / grain) * grain;
    return end > start ? { start, end: Math.floor(end / PAGE_BYTES) * PAGE_BYTES } : undefined;
  }
}

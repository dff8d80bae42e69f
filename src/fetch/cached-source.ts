import type { Limiter } from "../bytes/limiter.ts";
import { clip, isEmpty, type ByteRange } from "../bytes/range.ts";
import { checkRange, type RangeSource, type ReadOptions, type StreamingSource } from "../bytes/source.ts";
import type { CacheEntry } from "../cache/cache.ts";
import { abortError, RiffleError } from "../errors.ts";
import type { ExtentTable } from "../formats/extents.ts";
import type { ByteBudget } from "./budget.ts";
import { createCostModel, frugalCost, type CostModel } from "./cost.ts";
import { Filler } from "./filler.ts";
import type { FetchLog } from "./log.ts";
import { PendingRead } from "./pending-read.ts";
import type { Advice } from "./advice.ts";
import { ExtentFollower, NO_ADVICE } from "./extent-follower.ts";
import { ReadAhead } from "./readahead.ts";
import { DEFAULT_TIMEOUT_MS } from "./retry.ts";
import type { Trace } from "./trace.ts";

export interface CachedSourceOptions {
  readonly source: StreamingSource;
  readonly entry: CacheEntry;
  /** Requests at once, shared by the process. */
  readonly limiter: Limiter;
  /** Bytes under way at once, shared by the process. */
  readonly budget: ByteBudget;
  /** Shared by the blobs of one origin. */
  readonly cost?: CostModel;
  /** Requests at once of this blob. Default 8. */
  readonly perBlobLimit?: number;
  /** Never fetch a page that no read touches: no joining over gaps, no read-ahead. */
  readonly frugal?: boolean;
  /** The farthest that is read ahead of one stream; less where the cache is small. */
  readonly maxWindowBytes?: number;
  /** A read that is not answered by then rejects. Default 60 s. */
  readonly timeoutMs?: number;
  readonly log?: FetchLog;
  readonly trace?: Trace;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** The entry holds every byte. */
  readonly onComplete?: () => void;
  /** A read that is no prefetch must wait for the network; what this gives is called when the wait is over. */
  readonly onWait?: () => () => void;
}

/** How a read was answered. */
export interface ReadOutcome {
  readonly bytes: number;
  /** Of these, bytes that had arrived before they were asked for. */
  readonly fromCache: number;
}

export interface CachedReadOptions extends ReadOptions {
  /** Which open file reads: read-ahead follows each by itself. Without one, nothing is read ahead. */
  readonly handle?: number;
  /** Its number in a trace. */
  readonly id?: number;
  /** Called once for each range that was answered. */
  readonly onOutcome?: (outcome: ReadOutcome) => void;
}

/**
 * A blob through its cache entry. Reads of one turn of the event loop are planned together; a byte that is under way is
 * never asked for twice; what arrives is kept, and readers are answered as soon as their bytes are there, whatever becomes
 * of the cache. One reader's abort ends that read alone; a failed read may be tried anew.
 */
export interface CachedSource extends RangeSource {
  read(range: ByteRange, options?: CachedReadOptions): Promise<Uint8Array>;
  readMany(ranges: readonly ByteRange[], options?: CachedReadOptions): Promise<readonly Uint8Array[]>;
  /** `range` was answered from the cache elsewhere and passed a mark: reading ahead goes on from there. */
  touched(range: ByteRange, handle: number): void;
  /** The open file is closed: what was to be fetched for it alone no longer is. */
  release(handle: number): void;
  /** The units of the content: from now on reads inside them have them whole. The bytes that are read do not depend on it. */
  useExtents(table: ExtentTable): void;
  /** Ends all requests and rejects all reads (`closed`). The entry stays open. */
  close(): Promise<void>;
}

/** Requests at once of one blob. */
export const DEFAULT_PER_BLOB = 8;
/** As many as `CacheEntry.setMarks` takes. */
const MAX_MARKS = 8;

export function cachedSource(options: CachedSourceOptions): CachedSource {
  return new PagedSource(options);
}

class PagedSource implements CachedSource {
  readonly id: string;
  readonly size: number;
  readonly #options: CachedSourceOptions;
  readonly #entry: CacheEntry;
  readonly #filler: Filler;
  readonly #handles = new Map<number, ReadAhead>();
  #extents: ExtentFollower | undefined;
  #marks = "";
  #isClosed = false;

  constructor(options: CachedSourceOptions) {
    const { source, entry, limiter, budget, log, trace } = options;
    this.id = source.id;
    this.size = source.size;
    this.#options = options;
    this.#entry = entry;
    this.#filler = new Filler({
      source,
      entry,
      limiter,
      budget,
      limit: options.perBlobLimit ?? DEFAULT_PER_BLOB,
      cost: options.frugal === true ? frugalCost() : (options.cost ?? createCostModel()),
      isFrugal: options.frugal === true,
      now: options.now ?? ((): number => performance.now()),
      advise: (read) => this.#advise(read.range, read.handle),
      advised: () => this.#setMarks(),
      ...(trace === undefined ? {} : { trace }),
      guessFailed: (range, handle) => {
        log?.("debug", "a prefetch failed", { digest: source.id });
        if (handle !== undefined) this.#handles.get(handle)?.lost(range);
      },
    });
    if (options.onComplete !== undefined) entry.onComplete(options.onComplete);
  }

  async read(range: ByteRange, options: CachedReadOptions = {}): Promise<Uint8Array> {
    checkRange(range);
    const wanted = clip(range, this.size);
    if (options.signal?.aborted === true) throw abortError(options.signal);
    if (this.#isClosed) throw new RiffleError("closed", `blob ${this.id} was closed`);
    if (isEmpty(wanted)) return new Uint8Array(0);
    const missing = this.#entry.missing(wanted);
    if (missing.length === 0) {
      const bytes = await this.#entry.read(wanted);
      if (bytes !== undefined) {
        this.#wasHeld(wanted, options.handle);
        options.onOutcome?.({ bytes: bytes.length, fromCache: bytes.length });
        return bytes;
      }
    }
    return this.#fetch(wanted, options, missing.length === 0);
  }

  readMany(ranges: readonly ByteRange[], options?: CachedReadOptions): Promise<readonly Uint8Array[]> {
    return Promise.all(ranges.map((range) => this.read(range, options)));
  }

  touched(range: ByteRange, handle: number): void {
    if (!this.#isClosed) this.#wasHeld(clip(range, this.size), handle);
  }

  release(handle: number): void {
    this.#handles.delete(handle);
    this.#filler.release(handle);
    this.#setMarks();
  }

  useExtents(table: ExtentTable): void {
    if (this.#isClosed || table.count === 0) return;
    this.#extents = new ExtentFollower(table, { size: this.size, frugal: this.#options.frugal === true });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#handles.clear();
    await this.#filler.close(new RiffleError("closed", `blob ${this.id} was closed`));
  }

  async #fetch(wanted: ByteRange, options: CachedReadOptions, isForced: boolean): Promise<Uint8Array> {
    const { signal, handle, id, priority = "demand" } = options;
    const read = new PendingRead(wanted, { priority, handle, id });
    const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const onAbort = (): void => this.#filler.abandon(read, abortError(signal));
    const onTime = (): void => this.#filler.abandon(read, lateError(this.id, wanted, timeoutMs));
    const timer = setTimeout(onTime, timeoutMs);
    const answered = priority === "prefetch" ? undefined : this.#options.onWait?.();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      this.#filler.want(read, isForced);
      const bytes = await read.bytes;
      options.onOutcome?.({ bytes: bytes.length, fromCache: bytes.length - read.lackedBytes });
      return bytes;
    } finally {
      answered?.();
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** A read that needed no request still moves its stream on. */
  #wasHeld(range: ByteRange, handle: number | undefined): void {
    if (this.#entry.heldBytes === this.size) return;
    const advice = this.#advise(range, handle);
    if (advice === undefined) return;
    this.#filler.prefetch(advice, handle);
    this.#setMarks();
  }

  #advise(range: ByteRange, handle: number | undefined): Advice | undefined {
    if (handle === undefined) return undefined;
    if (this.#options.frugal === true) return this.#extents?.onRead(range);
    let follower = this.#handles.get(handle);
    if (follower === undefined) {
      const { maxWindowBytes } = this.#options;
      follower = new ReadAhead({
        size: this.size,
        limitAt: (offset) => this.#extents?.limitAt(offset) ?? this.size,
        ...(maxWindowBytes === undefined ? {} : { maxWindowBytes }),
      });
      this.#handles.set(handle, follower);
    }
    const run = follower.onRead(range);
    const isCopy = follower.isCopy(run.stream);
    const { units, early } = isCopy ? NO_ADVICE : (this.#extents?.onRead(range) ?? NO_ADVICE);
    // What is had of the unit that the stream is in will be read without a word: the stream goes on behind it.
    for (const unit of units) if (unit.start <= range.end && unit.end > range.end) follower.granted(run, unit.end);
    return { units, early, run };
  }

  /** Asks the workers to tell of reads that make room for more; at most eight places. */
  #setMarks(): void {
    const ofUnits = this.#extents?.marks() ?? [];
    const room = MAX_MARKS - ofUnits.length;
    const ofStreams = [...this.#handles.values()].flatMap((follower) => follower.marks());
    const marks = room > 0 ? [...ofUnits, ...ofStreams.slice(-room)] : ofUnits.slice(0, MAX_MARKS);
    const text = marks.join();
    if (text === this.#marks) return;
    this.#marks = text;
    this.#entry.setMarks(marks);
  }
}

function lateError(id: string, { start, end }: ByteRange, timeoutMs: number): RiffleError {
  return new RiffleError("timeout", `[${start}, ${end}) of blob ${id} did not arrive within ${timeoutMs / 1000} s`, {
    facts: { digest: id, timeoutMs },
  });
}

import { rangeLength, splitRange, type ByteRange } from "../bytes/range.ts";
import { RiffleError } from "../errors.ts";
import type { Demand } from "../fetch/demand.ts";
import type { FormatHint } from "../formats/formats.ts";
import type { Content } from "./content.ts";
import type { Contents } from "./contents.ts";
import type { Log } from "./engine.ts";

/** What is fetched before anybody asks: nothing, what formats say is read first, everything. */
export type Prefetch = "none" | "hints" | "all";

/** A file that is wanted: where its bytes lie, and what it is called. */
export interface FillTarget {
  readonly source: number;
  readonly range: ByteRange;
  readonly hint: FormatHint;
}

export interface FillProgress {
  readonly mode: "hints" | "all";
  /** `full`: the cache keeps no more. `failed`: the registry would not; the log says why. */
  readonly state: "running" | "done" | "full" | "failed" | "stopped";
  /** Of `size`, bytes that are held. */
  readonly bytes: number;
  /** Bytes that are wanted; of `hints` 0, since indexes tell their size when they are read. */
  readonly size: number;
}

export interface FillOptions {
  readonly mode: "hints" | "all";
  readonly targets: readonly FillTarget[];
  readonly contents: Contents;
  readonly demand: Demand;
  /** What the cache may hold. */
  readonly limitBytes: () => Promise<number>;
  readonly log: Log;
}

export interface FillAhead {
  progress(): FillProgress;
  /** Ends it; resolves when nothing of it is under way. */
  close(): Promise<void>;
}

/** Large enough that a request is little beside it, small enough that little is lost when a reader comes. */
const PART_BYTES = 4 * 1024 * 1024;
/** Half of a blob's connections: a reader finds the others free. */
const PARTS_AT_ONCE = 4;
/** Indexes of all files together, and the files that are looked at. */
const HINT_BYTES = 32 * 1024 * 1024;
const MAX_HINTED_FILES = 1000;
/** What a cache keeps free of this, so that filling does not evict what it has just filled. */
const MARGIN_SHARE = 1 / 16;
/** A registry that fails for so many files in a row is left alone. */
const MAX_FAILURES = 3;

/** Begins to fill the cache, behind every reader: it stands back as soon as one waits for the network. Never rejects. */
export function startFilling(options: FillOptions): FillAhead {
  return new Filling(options);
}

interface Part {
  readonly target: FillTarget;
  readonly range: ByteRange;
}

class Filling implements FillAhead {
  readonly #options: FillOptions;
  readonly #controller = new AbortController();
  readonly #failed = new Set<FillTarget>();
  /** Work under way: ended when a reader comes, and when all is closed. */
  readonly #working = new Set<AbortController>();
  readonly #done: Promise<void>;
  readonly #size: number;
  #state: FillProgress["state"] = "running";
  #bytes = 0;
  #failures = 0;
  #isFull = false;
  #hasTold = false;

  constructor(options: FillOptions) {
    this.#options = options;
    this.#size = options.mode === "all" ? options.targets.reduce((sum, { range }) => sum + rangeLength(range), 0) : 0;
    this.#done = this.#run().catch((error: unknown) => {
      if (!this.#controller.signal.aborted) this.#stop("failed", error);
    });
  }

  progress(): FillProgress {
    return { mode: this.#options.mode, state: this.#state, bytes: this.#bytes, size: this.#size };
  }

  async close(): Promise<void> {
    if (this.#state === "running") this.#state = "stopped";
    const reason = new RiffleError("aborted", "the artifact was closed");
    for (const controller of [this.#controller, ...this.#working]) controller.abort(reason);
    await this.#done;
  }

  async #run(): Promise<void> {
    // The opening comes first: what it waits for is not counted as demand.
    await new Promise((resolve) => setImmediate(resolve));
    const { mode, targets, limitBytes } = this.#options;
    const limit = await limitBytes();
    const room = Math.floor(limit * (1 - MARGIN_SHARE));
    let hintBytes = Math.min(HINT_BYTES, room);
    const takeHint = (bytes: number): boolean => {
      if (bytes > hintBytes) return false;
      hintBytes -= bytes;
      return true;
    };
    await this.#each(targets.slice(0, MAX_HINTED_FILES), (target) =>
      this.#with(target, (content, signal) => content.hinted(target.hint, { take: takeHint, signal })),
    );
    if (mode === "all") await this.#each(this.#parts(room), (part) => this.#bring(part));
    if (this.#isFull) this.#stop("full");
    else if (this.#state === "running") this.#state = "done";
  }

  /** What is to be brought, in the order of the tree, until the room is used up. */
  *#parts(room: number): Generator<Part> {
    let taken = 0;
    for (const target of this.#options.targets) {
      for (const range of splitRange(target.range, PART_BYTES)) {
        if (this.#failed.has(target)) break;
        taken += rangeLength(range);
        this.#isFull = taken > room;
        if (this.#isFull) return;
        yield { target, range };
      }
    }
  }

  async #each<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
    const iterator = items[Symbol.iterator]();
    const worker = async (): Promise<void> => {
      for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
        if (this.#state !== "running") return;
        await work(next.value);
      }
    };
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, worker));
  }

  #bring({ target, range }: Part): Promise<void> {
    return this.#with(target, async (content, signal) => {
      await content.fill(range, signal);
      this.#bytes += rangeLength(range);
    });
  }

  /** Does a piece of work while nobody waits; as often as a reader comes between. */
  async #with(target: FillTarget, work: (content: Content, signal: AbortSignal) => Promise<void>): Promise<void> {
    const { contents, demand } = this.#options;
    const { signal: closed } = this.#controller;
    for (;;) {
      await demand.quiet(closed);
      const content = contents.acquire(target.source);
      const yielding = new AbortController();
      this.#working.add(yielding);
      // What the reader asks for may be on its way already: it is planned first, and what it waits for then is kept.
      const stopListening = demand.onBegin(() => setImmediate(() => setImmediate(() => yielding.abort())));
      try {
        await work(content, yielding.signal);
        this.#failures = 0;
        return;
      } catch (error) {
        if (closed.aborted) throw error;
        if (!yielding.signal.aborted) return this.#failedAt(target, error);
      } finally {
        stopListening();
        this.#working.delete(yielding);
        contents.release(content);
      }
    }
  }

  #failedAt(target: FillTarget, error: unknown): void {
    this.#failed.add(target);
    this.#failures += 1;
    if (this.#failures >= MAX_FAILURES) this.#stop("failed", error);
    else this.#tell(error);
  }

  #stop(state: "full" | "failed", error?: unknown): void {
    if (this.#state !== "running") return;
    this.#state = state;
    if (error !== undefined) this.#tell(error);
    else this.#options.log("warn", "prefetching has stopped: the cache keeps no more");
  }

  #tell(error: unknown): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#options.log("warn", `prefetching: ${error instanceof Error ? error.message : String(error)}`);
  }
}

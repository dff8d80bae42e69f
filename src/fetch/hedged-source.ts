import { clip, isEmpty, type ByteRange } from "../bytes/range.ts";
import { checkRange, type ByteSink, type StreamingSource, type StreamOptions } from "../bytes/source.ts";
import { abortError } from "../errors.ts";
import type { Hedges } from "./hedges.ts";

/**
 * The same bytes, in spite of answers that do not come: a `stream` that is silent for longer than usual, before its first
 * byte or in its body, is asked for once more from where it stopped. Whichever speaks first goes on alone, the other is
 * aborted: never more than two requests for the same bytes, and none of them moves what the other has moved. `read` and
 * `readMany` are the source's own.
 */
export function hedgedSource(
  source: StreamingSource,
  options: { readonly hedges: Hedges; readonly now?: () => number },
): StreamingSource {
  const { hedges, now = (): number => performance.now() } = options;
  return {
    id: source.id,
    size: source.size,
    read: (range, how) => source.read(range, how),
    readMany: (ranges, how) => source.readMany(ranges, how),
    stream: async (range, sink, how = {}) => {
      checkRange(range);
      const wanted = clip(range, source.size);
      if (how.signal?.aborted === true) throw abortError(how.signal);
      if (isEmpty(wanted)) return;
      await new Race(wanted, { source, hedges, now, sink, how }).run();
    },
  };
}

interface RaceOptions {
  readonly source: StreamingSource;
  readonly hedges: Hedges;
  readonly now: () => number;
  readonly sink: ByteSink;
  readonly how: StreamOptions;
}

interface Lane {
  readonly controller: AbortController;
  readonly begun: number;
  hasSpoken: boolean;
}

/** One range, asked for once or, when the answer is late, twice. */
class Race {
  readonly #end: number;
  readonly #options: RaceOptions;
  readonly #lanes = new Set<Lane>();
  /** All of the range before it was given. */
  #at: number;
  /** When bytes came last, or what took them let go. */
  #heardAt: number;
  #isHeld = false;
  #isWhole = false;
  #timer: NodeJS.Timeout | undefined;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(range: ByteRange, options: RaceOptions) {
    this.#at = range.start;
    this.#end = range.end;
    this.#options = options;
    this.#heardAt = options.now();
  }

  async run(): Promise<void> {
    const { hedges, how } = this.#options;
    const leave = (): void => {
      for (const lane of this.#lanes) lane.controller.abort(abortError(how.signal));
    };
    how.signal?.addEventListener("abort", leave, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
        hedges.sent();
        this.#send(false);
        this.#watch();
      });
    } finally {
      clearTimeout(this.#timer);
      how.signal?.removeEventListener("abort", leave);
      this.#keepOnly(undefined);
    }
  }

  #send(isSecond: boolean): void {
    const { source, now, how } = this.#options;
    const controller = new AbortController();
    const lane: Lane = { controller, begun: now(), hasSpoken: false };
    this.#lanes.add(lane);
    const sink: ByteSink = (offset, bytes) => this.#take(lane, offset, bytes);
    const options = { ...how, signal: controller.signal, ...(isSecond ? { isSecond } : {}) };
    source.stream({ start: this.#at, end: this.#end }, sink, options).then(
      () => {
        if (this.#lanes.has(lane)) this.#resolve();
      },
      (error: unknown) => {
        // While another is on its way, one that fails is only one less.
        if (this.#lanes.delete(lane) && this.#lanes.size === 0) this.#reject(error);
      },
    );
  }

  #take(lane: Lane, offset: number, bytes: Uint8Array): void | Promise<void> {
    if (!this.#lanes.has(lane)) return;
    const { hedges, now, sink } = this.#options;
    if (this.#lanes.size > 1) this.#keepOnly(lane);
    this.#heardAt = now();
    if (!lane.hasSpoken) {
      lane.hasSpoken = true;
      hedges.observe(this.#heardAt - lane.begun);
    }
    const end = offset + bytes.length;
    if (offset !== this.#at || end > this.#end) {
      this.#isWhole = true;
      hedges.giveUp();
    }
    this.#at = Math.max(this.#at, Math.min(end, this.#end));
    const held = sink(offset, bytes);
    if (held === undefined) return;
    this.#isHeld = true;
    return held.finally(() => {
      this.#isHeld = false;
      this.#heardAt = now();
    });
  }

  /** Takes the others out of the race before it aborts them: what they end with is of no account. */
  #keepOnly(kept: Lane | undefined): void {
    for (const lane of this.#lanes) {
      if (lane === kept) continue;
      this.#lanes.delete(lane);
      lane.controller.abort(new DOMException("another request was faster", "AbortError"));
    }
  }

  #watch(): void {
    const { hedges, now } = this.#options;
    const wait = Math.max(1, hedges.lateAfterMs() - (now() - this.#heardAt));
    // The turn after a pause of this process: what has arrived meanwhile is heard before silence is judged.
    this.#timer = setTimeout(() => setImmediate(() => this.#judge()), wait);
  }

  #judge(): void {
    if (this.#lanes.size === 0 || this.#isWhole || this.#at >= this.#end) return;
    const { hedges, now, how } = this.#options;
    if (this.#isHeld) this.#heardAt = now();
    const isLate = now() - this.#heardAt >= hedges.lateAfterMs();
    if (isLate && this.#lanes.size === 1 && hedges.take(how.priority ?? "demand")) this.#send(true);
    if (isLate) this.#heardAt = now();
    this.#watch();
  }
}

import { PAGE_BYTES, rangeLength, type ByteRange } from "../bytes/range.ts";

/** Reads of one large unit. */
interface Progress {
  /** Windows that were asked for, by number. */
  readonly windows: Set<number>;
  /** End of the last read, and how many went on from each other. */
  next: number;
  inRow: number;
}

export interface WindowAdvice {
  readonly now: readonly ByteRange[];
  readonly ahead: readonly ByteRange[];
}

/** What the kernel reads around the first touch of a mapped file. */
const START_BYTES = 128 * 1024;
const READS_IN_ROW = 3;
/** A reader that goes on from a window may skip so much. */
const SKIP_BYTES = 1024 * 1024;
/** Windows ahead of a reader that has had as many. */
const MAX_AHEAD_WINDOWS = 3;
/** Windows whose reading is looked for. */
const MAX_WATCHED = 4;
/** Units that are followed at once. */
const MAX_FOLLOWED = 64;

/**
 * Units that are too large to be had whole: equal windows inside them. A reader that begins at the start of a unit, that goes
 * on from the last window, or that has made three reads in a row has a window; one that jumps about has what it reads.
 */
export class LargeUnits {
  readonly #windowBytes: number;
  /** By the unit's start, least recently used first. */
  readonly #progress = new Map<number, Progress>();
  #watched: readonly ByteRange[] = [];

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
  }

  onRead(unit: ByteRange, range: ByteRange): WindowAdvice {
    const progress = this.#follow(unit, range);
    const { windows } = progress;
    const start = Math.max(unit.start, range.start);
    const bytes = this.#bytesOf(unit);
    const number = Math.floor((Math.min(unit.end, range.end) - 1 - unit.start) / bytes);
    this.#watched = this.#watched.filter((window) => window.end <= start || window.start > start);
    const begins = start - unit.start <= START_BYTES;
    const goesOn = windows.has(number - 1) && start - this.#window(unit, number).start <= SKIP_BYTES;
    if (!windows.has(number) && !begins && !goesOn) {
      if (progress.inRow < READS_IN_ROW) return { now: [], ahead: [] };
      windows.add(number);
      return { now: [{ start, end: this.#window(unit, number).end }], ahead: [] };
    }
    windows.add(number);
    const ahead = windows.has(number - 1) ? this.#ahead(unit, number, windows) : [];
    return { now: [this.#window(unit, number)], ahead };
  }

  /** Places that a reader passes when it needs more. */
  marks(): readonly number[] {
    return this.#watched.map(({ start, end }) => Math.floor((start + end) / 2));
  }

  #ahead(unit: ByteRange, number: number, windows: Set<number>): readonly ByteRange[] {
    const ahead: ByteRange[] = [];
    for (let next = number + 1; next <= number + Math.min(MAX_AHEAD_WINDOWS, number); next++) {
      const window = this.#window(unit, next);
      if (windows.has(next) || window.start >= unit.end) continue;
      windows.add(next);
      ahead.push(window);
    }
    this.#watched = [...this.#watched, ...ahead].slice(-MAX_WATCHED);
    return ahead;
  }

  #follow(unit: ByteRange, range: ByteRange): Progress {
    const progress = this.#progress.get(unit.start) ?? { windows: new Set(), next: -1, inRow: 0 };
    this.#progress.delete(unit.start);
    this.#progress.set(unit.start, progress);
    const oldest = this.#progress.keys().next().value;
    if (this.#progress.size > MAX_FOLLOWED && oldest !== undefined) this.#progress.delete(oldest);
    const isNext = Math.abs(range.start - progress.next) <= START_BYTES;
    progress.inRow = isNext ? progress.inRow + 1 : 1;
    progress.next = range.end;
    return progress;
  }

  /** As few equal windows as there must be, of whole pages. */
  #bytesOf(unit: ByteRange): number {
    const count = Math.ceil(rangeLength(unit) / this.#windowBytes);
    return Math.ceil(rangeLength(unit) / count / PAGE_BYTES) * PAGE_BYTES;
  }

  #window(unit: ByteRange, number: number): ByteRange {
    const bytes = this.#bytesOf(unit);
    const start = unit.start + number * bytes;
    return { start, end: Math.min(unit.end, start + bytes) };
  }
}

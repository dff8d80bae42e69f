import { HEADER_WORDS, READERS, READER_WORDS } from "./arena-layout.ts";

/** Reads take microseconds; one that waits for a disk takes milliseconds. */
const POLL_MS = 10;

interface Held {
  readonly release: () => void;
  /** Readers that were inside when it was taken out of their sight and have not been seen outside since. */
  readonly inside: Set<number>;
}

/**
 * Runs an action once no thread can still be using what was just taken out of the readers' sight. The caller first
 * stores what hides the thing (atomically), then calls `after`; a reader first marks its line, then loads: so either the reader
 * sees that the thing is gone, or this sees the reader.
 */
export class Quarantine {
  readonly #words: Int32Array;
  #held: Held[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  get waiting(): number {
    return this.#held.length;
  }

  after(release: () => void): void {
    const inside = new Set<number>();
    for (let reader = 0; reader < READERS; reader++) if (this.#isInside(reader)) inside.add(reader);
    if (inside.size === 0) return release();
    this.#held.push({ release, inside });
    this.#pollSoon();
  }

  /** Looks now at what waits. */
  #poll(): void {
    this.#timer = undefined;
    const held = this.#held;
    this.#held = [];
    for (const item of held) {
      for (const reader of item.inside) if (!this.#isInside(reader)) item.inside.delete(reader);
      if (item.inside.size === 0) item.release();
      else this.#held.push(item);
    }
    if (this.#held.length > 0) this.#pollSoon();
  }

  #pollSoon(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#poll(), POLL_MS).unref();
  }

  #isInside(reader: number): boolean {
    return Atomics.load(this.#words, HEADER_WORDS + reader * READER_WORDS) !== 0;
  }
}

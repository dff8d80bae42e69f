import * as at from "./arena-layout.ts";

/** Enough for the bitmaps of 1.8 TiB held at once; untouched pages of the reservation cost no memory. */
const DEFAULT_ARENA_BYTES = 64 * 1024 * 1024;

/**
 * The main thread's side of the shared memory: hands out slots and zeroed words. What readers may still look at is
 * given back only after a `Quarantine`.
 */
export class Arena {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly #generations = new Uint16Array(at.SLOTS);
  readonly #freeSlots: number[] = [];
  readonly #freeWords = new Map<number, number[]>();
  #nextSlot = 1;
  #nextWord: number;

  constructor(options: { readonly bytes?: number } = {}) {
    const least = (at.SLOTS_BASE + at.SLOTS * at.SLOT_WORDS) * 4;
    this.buffer = new SharedArrayBuffer(Math.max(options.bytes ?? DEFAULT_ARENA_BYTES, least));
    this.words = new Int32Array(this.buffer);
    this.doubles = new Float64Array(this.buffer, 0, this.buffer.byteLength >>> 3);
    this.words[0] = at.ARENA_MAGIC;
    this.#nextWord = at.SLOTS_BASE + at.SLOTS * at.SLOT_WORDS;
  }

  /** Word offset of `count` zeroed words, or 0 when the arena is full. */
  allocate(count: number): number {
    const size = sizeClass(count);
    const free = this.#freeWords.get(size)?.pop();
    if (free !== undefined) return free;
    if (this.#nextWord + size > this.words.length) return 0;
    const offset = this.#nextWord;
    this.#nextWord += size;
    return offset;
  }

  free(offset: number, count: number): void {
    const size = sizeClass(count);
    this.words.fill(0, offset, offset + count);
    const list = this.#freeWords.get(size);
    if (list === undefined) this.#freeWords.set(size, [offset]);
    else list.push(offset);
  }

  /** A handle that no one had before, or 0 when all slots are taken. Its words are zero but for the generation. */
  claimSlot(): number {
    const index = this.#freeSlots.pop() ?? (this.#nextSlot < at.SLOTS ? this.#nextSlot++ : 0);
    if (index === 0) return 0;
    const generation = (this.#generations[index] ?? 0) + 1;
    this.#generations[index] = generation;
    this.words[slotBase(index) + at.SLOT_FD] = -1;
    Atomics.store(this.words, slotBase(index) + at.SLOT_GENERATION, generation);
    return (generation << at.SLOT_INDEX_BITS) | index;
  }

  /** To be called after a quarantine that began when the slot's generation was set to 0. */
  freeSlot(handle: number): void {
    const index = handle & (at.SLOTS - 1);
    this.words.fill(0, slotBase(index), slotBase(index) + at.SLOT_WORDS);
    // A handle must never mean two contents, so an index whose generations are used up is not used again.
    if ((this.#generations[index] ?? 0) < at.GENERATIONS) this.#freeSlots.push(index);
  }
}

export function slotBase(index: number): number {
  return at.SLOTS_BASE + index * at.SLOT_WORDS;
}

function sizeClass(count: number): number {
  return count <= 1 ? 1 : 2 ** Math.ceil(Math.log2(count));
}

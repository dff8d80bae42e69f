import { slotBase, type Arena } from "./arena.ts";
import * as at from "./arena-layout.ts";
import type { Proof } from "./cache.ts";
import type { Quarantine } from "./quarantine.ts";

export type SlotShape =
  | { readonly kind: "file"; readonly size: number; readonly leaves: number }
  | { readonly kind: "segments"; readonly size: number; readonly segments: number; readonly leafShift: number }
  | { readonly kind: "whole"; readonly size: number; readonly available: number };

const PROOFS: Readonly<Record<Proof, number>> = { transport: 0, chunk: 1, full: 2 };

/** The main thread's hand on one slot. When the arena is full the handle is 0, and everything goes on without readers. */
export class SharedSlot {
  readonly handle: number;
  readonly #arena: Arena;
  readonly #quarantine: Quarantine;
  readonly #base: number;
  readonly #directoryWords: number;
  /** Words of each leaf that readers see, by leaf number. */
  readonly #leaves = new Map<number, { readonly offset: number; readonly words: number }>();
  readonly #shape: SlotShape;
  #root = 0;

  constructor(arena: Arena, options: { readonly quarantine: Quarantine; readonly shape: SlotShape }) {
    const { shape } = options;
    this.#arena = arena;
    this.#quarantine = options.quarantine;
    this.#shape = shape;
    this.handle = arena.claimSlot();
    this.#base = slotBase(this.handle & (at.SLOTS - 1));
    this.#directoryWords = shape.kind === "segments" ? shape.segments * 2 : shape.kind === "file" ? shape.leaves : 0;
    if (this.handle === 0) return;
    this.#put(at.SLOT_KIND, kindOf(shape));
    this.#put(at.SLOT_LEAF_SHIFT, shape.kind === "segments" ? shape.leafShift : at.LEAF_SHIFT);
    this.#arena.doubles[(this.#base + at.SLOT_SIZE) >>> 1] = shape.size;
    if (shape.kind === "whole") this.#arena.doubles[(this.#base + at.SLOT_AVAILABLE) >>> 1] = shape.available;
  }

  /** Zeroed words for a leaf, shown to readers where the arena has room. */
  leaf(index: number, words: number): Int32Array {
    const offset = this.handle === 0 || !this.#makeRoot() ? 0 : this.#arena.allocate(words);
    if (offset === 0) return new Int32Array(words);
    this.#leaves.set(index, { offset, words });
    this.#put(this.#leafWord(index), offset, 0);
    return this.#arena.words.subarray(offset, offset + words);
  }

  /** -1: none. */
  setFile(fd: number): void {
    if (this.handle !== 0) this.#put(at.SLOT_FD, fd);
  }

  setSegmentFile(segment: number, fd: number): void {
    if (this.handle !== 0 && (fd < 0 ? this.#root !== 0 : this.#makeRoot()))
      this.#put(this.#root + segment * 2 + 1, fd + 1, 0);
  }

  /** Hides the file and every leaf. */
  reset(): void {
    this.setFile(-1);
    this.#hideLeaves([...this.#leaves.keys()]);
  }

  resetSegment(segment: number): void {
    this.setSegmentFile(segment, -1);
    this.#hideLeaves([segment]);
  }

  setProof(proof: Proof): void {
    if (this.handle !== 0) this.#put(at.SLOT_PROOF, PROOFS[proof]);
  }

  setMarks(offsets: readonly number[]): void {
    if (this.handle === 0) return;
    for (let mark = 0; mark < at.MARKS; mark++)
      this.#arena.doubles[((this.#base + at.SLOT_MARKS) >>> 1) + mark] = (offsets[mark] ?? -1) + 1;
  }

  /** Whether a reader used it since the last time this was asked. */
  takeUsed(): boolean {
    return this.handle !== 0 && Atomics.exchange(this.#arena.words, this.#base + at.SLOT_USED, 0) !== 0;
  }

  release(): void {
    if (this.handle === 0) return;
    this.reset();
    this.#put(at.SLOT_GENERATION, 0);
    const root = this.#root;
    this.#quarantine.after(() => {
      if (root !== 0 && this.#hasDirectory()) this.#arena.free(root, this.#directoryWords);
      this.#arena.freeSlot(this.handle);
    });
  }

  #hideLeaves(indexes: readonly number[]): void {
    const hidden: { readonly offset: number; readonly words: number }[] = [];
    for (const index of indexes) {
      const leaf = this.#leaves.get(index);
      if (leaf === undefined) continue;
      this.#put(this.#leafWord(index), 0, 0);
      this.#leaves.delete(index);
      hidden.push(leaf);
    }
    if (hidden.length === 0) return;
    this.#quarantine.after(() => {
      for (const leaf of hidden) this.#arena.free(leaf.offset, leaf.words);
    });
  }

  #hasDirectory(): boolean {
    return this.#shape.kind === "segments" || (this.#shape.kind === "file" && this.#shape.leaves > 1);
  }

  #makeRoot(): boolean {
    if (!this.#hasDirectory()) return this.#shape.kind === "file";
    if (this.#root !== 0) return true;
    this.#root = this.#arena.allocate(this.#directoryWords);
    if (this.#root !== 0) this.#put(at.SLOT_ROOT, this.#root);
    return this.#root !== 0;
  }

  /** The word that says where leaf `index` lies. */
  #leafWord(index: number): number {
    if (!this.#hasDirectory()) return this.#base + at.SLOT_ROOT;
    return this.#root + (this.#shape.kind === "segments" ? index * 2 : index);
  }

  #put(word: number, value: number, base = this.#base): void {
    Atomics.store(this.#arena.words, base + word, value);
  }
}

function kindOf(shape: SlotShape): number {
  if (shape.kind === "whole") return at.KIND_WHOLE;
  if (shape.kind === "segments") return at.KIND_SEGMENTS;
  return shape.leaves > 1 ? at.KIND_LEAVES : at.KIND_LEAF;
}

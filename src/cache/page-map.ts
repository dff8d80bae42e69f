import { PAGE_BYTES, type ByteRange } from "../bytes/range.ts";
import { LEAF_SHIFT } from "./arena-layout.ts";

const LEAF_PAGES = 2 ** LEAF_SHIFT;

/** Gives the zeroed words of a leaf and shows them to readers, where there are any. */
export type LeafSource = (leaf: number, words: number) => Int32Array;

/** One bit a page, in leaves that come into being on first use and are no larger than the content needs. */
export class PageMap {
  readonly pages: number;
  readonly #source: LeafSource;
  readonly #leaves = new Map<number, Int32Array>();
  #count = 0;

  constructor(pages: number, source: LeafSource = (_leaf, words) => new Int32Array(words)) {
    this.pages = pages;
    this.#source = source;
  }

  /** Pages set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.pages;
  }

  /** Whether every page of `[first, end)` is set. */
  has(first: number, end: number): boolean {
    if (this.#count === this.pages) return true;
    for (let page = first; page < end;) {
      const leaf = this.#leaves.get(Math.floor(page / LEAF_PAGES));
      if (leaf === undefined) return false;
      const inLeaf = page % LEAF_PAGES;
      const stop = Math.min(end - page, 32 - (inLeaf & 31));
      const mask = maskOf(inLeaf & 31, stop);
      if (((leaf[inLeaf >>> 5] ?? 0) & mask) !== mask) return false;
      page += stop;
    }
    return true;
  }

  /** Sets `[first, end)`; returns how many of these were not set before. */
  set(first: number, end: number): number {
    let added = 0;
    for (let page = first; page < end;) {
      const leaf = this.#leaf(Math.floor(page / LEAF_PAGES));
      const inLeaf = page % LEAF_PAGES;
      const stop = Math.min(end - page, 32 - (inLeaf & 31));
      const mask = maskOf(inLeaf & 31, stop);
      added += bitCount(mask & ~Atomics.or(leaf, inLeaf >>> 5, mask));
      page += stop;
    }
    this.#count += added;
    return added;
  }

  /** The runs of pages in `[first, end)` that are not set, in order. */
  absent(first: number, end: number): ByteRange[] {
    const runs: ByteRange[] = [];
    let start = -1;
    for (let page = first; page < end;) {
      const leaf = this.#leaves.get(Math.floor(page / LEAF_PAGES));
      const inLeaf = page % LEAF_PAGES;
      if (leaf === undefined) {
        if (start < 0) start = page;
        page += LEAF_PAGES - inLeaf;
        continue;
      }
      const word = leaf[inLeaf >>> 5] ?? 0;
      const step = (inLeaf & 31) === 0 && (word === 0 || word === -1) ? 32 : 1;
      const held = ((word >>> (inLeaf & 31)) & 1) === 1;
      if (!held && start < 0) start = page;
      if (held && start >= 0) {
        runs.push({ start, end: page });
        start = -1;
      }
      page += step;
    }
    if (start >= 0) runs.push({ start, end });
    return runs;
  }

  #leaf(index: number): Int32Array {
    const known = this.#leaves.get(index);
    if (known !== undefined) return known;
    const pages = Math.min(LEAF_PAGES, this.pages - index * LEAF_PAGES);
    const leaf = this.#source(index, Math.ceil(pages / 32));
    this.#leaves.set(index, leaf);
    return leaf;
  }
}

export function pageCount(size: number): number {
  return Math.ceil(size / PAGE_BYTES);
}

/** Page numbers of a range that is page-aligned, or ends at the content's size. */
export function pagesOf(range: ByteRange): ByteRange {
  return { start: Math.floor(range.start / PAGE_BYTES), end: Math.ceil(range.end / PAGE_BYTES) };
}

/** The bytes of a run of pages, cut at `size`. */
export function bytesOf(pages: ByteRange, size: number): ByteRange {
  return { start: pages.start * PAGE_BYTES, end: Math.min(size, pages.end * PAGE_BYTES) };
}

function maskOf(bit: number, count: number): number {
  return count === 32 ? -1 : ((1 << count) - 1) << bit;
}

function bitCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

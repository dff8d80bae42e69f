import { LRUCache } from "lru-cache";
import { PAGE_BYTES, type ByteRange } from "../bytes/range.ts";
import { pageCount } from "./page-map.ts";

/** What one `write` may bring, and a read right after it must find. */
export const WRITE_BYTES_MAX: number = 8 * 1024 * 1024;
const BLOCK_PAGES = 16;
const BLOCK_BYTES = BLOCK_PAGES * PAGE_BYTES;
/** Key, list node and the block itself, roughly. */
const BLOCK_OVERHEAD_BYTES = 256;

interface Block {
  readonly owner: MemoryPages;
  readonly index: number;
  readonly bytes: Uint8Array;
  /** One bit a page. */
  held: number;
  verified: number;
}

/**
 * Blocks of all contents that have no disk, under one byte budget. The budget is at least twice `WRITE_BYTES_MAX`: so
 * what one write put in outlives the next 8 MiB that anyone writes, and who reads right after writing finds it.
 */
export class MemoryStore {
  readonly #blocks: LRUCache<string, Block>;
  #contents = 0;

  constructor(limitBytes: number) {
    this.#blocks = new LRUCache<string, Block>({
      maxSize: Math.max(limitBytes, 2 * WRITE_BYTES_MAX + 4 * 1024 * 1024),
      sizeCalculation: (block) => block.bytes.length + BLOCK_OVERHEAD_BYTES,
      dispose: (block) => block.owner.dropped(block),
    });
  }

  get bytes(): number {
    return this.#blocks.calculatedSize;
  }

  get limit(): number {
    return this.#blocks.maxSize;
  }

  pagesOf(size: number): MemoryPages {
    this.#contents += 1;
    return new MemoryPages(this.#blocks, { size, name: String(this.#contents) });
  }
}

/** The pages of one content that are held in memory. Any of them may go at any time but within one turn of the event loop. */
export class MemoryPages {
  readonly size: number;
  readonly #blocks: LRUCache<string, Block>;
  readonly #name: string;
  readonly #indexes = new Set<number>();
  #heldPages = 0;
  #verifiedPages = 0;

  constructor(blocks: LRUCache<string, Block>, options: { readonly size: number; readonly name: string }) {
    this.#blocks = blocks;
    this.size = options.size;
    this.#name = options.name;
  }

  get heldPages(): number {
    return this.#heldPages;
  }

  get allVerified(): boolean {
    return this.#heldPages > 0 && this.#verifiedPages === this.#heldPages;
  }

  get isComplete(): boolean {
    return this.#heldPages === pageCount(this.size);
  }

  holds(page: number): boolean {
    if (this.#heldPages === 0) return false;
    const block = this.#peek(Math.floor(page / BLOCK_PAGES));
    return block !== undefined && ((block.held >>> (page % BLOCK_PAGES)) & 1) === 1;
  }

  /** The runs of pages of `pages` that are not held. */
  absent(pages: ByteRange): ByteRange[] {
    if (this.#heldPages === 0) return pages.start < pages.end ? [pages] : [];
    const runs: { start: number; end: number }[] = [];
    for (let page = pages.start; page < pages.end; page++) {
      if (this.holds(page)) continue;
      const last = runs.at(-1);
      if (last?.end === page) last.end = page + 1;
      else runs.push({ start: page, end: page + 1 });
    }
    return runs;
  }

  /** Copies `range` out; false when any of it is not held. */
  readInto(range: ByteRange, target: Uint8Array): boolean {
    for (let start = range.start; start < range.end;) {
      const index = Math.floor(start / BLOCK_BYTES);
      const block = this.#blocks.get(this.#key(index));
      const end = Math.min(range.end, (index + 1) * BLOCK_BYTES);
      if (block === undefined || !covers(block.held, start - index * BLOCK_BYTES, end - index * BLOCK_BYTES))
        return false;
      target.set(block.bytes.subarray(start - index * BLOCK_BYTES, end - index * BLOCK_BYTES), start - range.start);
      start = end;
    }
    return true;
  }

  /** Whole pages, as `CacheEntry.write` takes them. What was checked is not overwritten by what was not. */
  write(offset: number, bytes: Uint8Array, options: { readonly verified: boolean }): void {
    for (let done = 0; done < bytes.length; done += PAGE_BYTES) {
      const page = (offset + done) / PAGE_BYTES;
      const block = this.#block(Math.floor(page / BLOCK_PAGES));
      const bit = 1 << (page % BLOCK_PAGES);
      if ((block.held & bit) !== 0 && ((block.verified & bit) !== 0 || !options.verified)) continue;
      block.bytes.set(bytes.subarray(done, done + PAGE_BYTES), (page % BLOCK_PAGES) * PAGE_BYTES);
      if ((block.held & bit) === 0) this.#heldPages += 1;
      block.held |= bit;
      if (!options.verified) continue;
      if ((block.verified & bit) === 0) this.#verifiedPages += 1;
      block.verified |= bit;
    }
  }

  clear(): void {
    for (const index of this.#indexes) this.#blocks.delete(this.#key(index));
  }

  /** For the store: a block went away. */
  dropped(block: { readonly index: number; readonly held: number; readonly verified: number }): void {
    this.#indexes.delete(block.index);
    this.#heldPages -= ones(block.held);
    this.#verifiedPages -= ones(block.verified);
  }

  #block(index: number): Block {
    const known = this.#blocks.get(this.#key(index));
    if (known !== undefined) return known;
    const bytes = new Uint8Array(Math.min(BLOCK_BYTES, this.size - index * BLOCK_BYTES));
    const block: Block = { owner: this, index, bytes, held: 0, verified: 0 };
    this.#indexes.add(index);
    this.#blocks.set(this.#key(index), block);
    return block;
  }

  #peek(index: number): Block | undefined {
    return this.#blocks.peek(this.#key(index));
  }

  #key(index: number): string {
    return `${this.#name}/${index}`;
  }
}

function covers(held: number, start: number, end: number): boolean {
  for (let page = Math.floor(start / PAGE_BYTES); page * PAGE_BYTES < end; page++)
    if (((held >>> page) & 1) === 0) return false;
  return true;
}

function ones(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

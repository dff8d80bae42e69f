import { alignToPages, PAGE_BYTES, type ByteRange } from "../../src/bytes/range.ts";
import type { CacheEntry } from "../../src/cache/cache.ts";

export interface MemoryEntryOptions {
  /** Pages held at most; the oldest go first. */
  readonly maxPages?: number;
  /** Awaited before a write is held. */
  readonly beforeWrite?: () => Promise<void>;
  /** Asked for each page that is read: true makes the whole read miss, as if it had just been evicted. */
  readonly vanishes?: (page: number) => boolean;
}

export interface MemoryEntry extends CacheEntry {
  readonly marks: readonly number[];
  /** Bytes ever written. */
  readonly written: number;
  readonly writes: number;
}

/** The smallest cache entry that keeps the contract, and that can be made to forget. */
export function memoryEntry(id: string, size: number, options: MemoryEntryOptions = {}): MemoryEntry {
  const pages = new Map<number, Uint8Array>();
  const listeners: (() => void)[] = [];
  let marks: readonly number[] = [];
  let written = 0;
  let writes = 0;
  let isTold = false;
  const count = Math.ceil(size / PAGE_BYTES);
  const pageLength = (page: number): number => Math.min(size, (page + 1) * PAGE_BYTES) - page * PAGE_BYTES;
  const held = (): number => [...pages.keys()].reduce((sum, page) => sum + pageLength(page), 0);
  return {
    id,
    size,
    proof: "transport",
    slot: 0,
    get heldBytes() {
      return pages.size === count ? size : held();
    },
    get marks() {
      return marks;
    },
    get written() {
      return written;
    },
    get writes() {
      return writes;
    },
    missing: (range) => {
      const { start, end } = alignToPages(range, size);
      const holes: { start: number; end: number }[] = [];
      for (let at = start; at < end; at += PAGE_BYTES) {
        if (pages.has(at / PAGE_BYTES)) continue;
        const last = holes.at(-1);
        if (last?.end === at) last.end = Math.min(size, at + PAGE_BYTES);
        else holes.push({ start: at, end: Math.min(size, at + PAGE_BYTES) });
      }
      return holes;
    },
    read: async (range: ByteRange) => {
      const out = new Uint8Array(range.end - range.start);
      for (let page = Math.floor(range.start / PAGE_BYTES); page * PAGE_BYTES < range.end; page++) {
        const bytes = options.vanishes?.(page) === true ? undefined : pages.get(page);
        if (bytes === undefined) return undefined;
        const base = page * PAGE_BYTES;
        const piece = bytes.subarray(Math.max(0, range.start - base), range.end - base);
        out.set(piece, Math.max(base, range.start) - range.start);
      }
      return out;
    },
    write: async (offset, bytes) => {
      if (offset % PAGE_BYTES !== 0) throw new Error(`write at ${offset} does not begin a page`);
      const end = offset + bytes.length;
      if (end !== size && end % PAGE_BYTES !== 0) throw new Error(`write ends inside a page, at ${end}`);
      written += bytes.length;
      writes += 1;
      const copy = bytes.slice();
      await options.beforeWrite?.();
      for (let at = 0; at < copy.length; at += PAGE_BYTES) {
        pages.set((offset + at) / PAGE_BYTES, copy.subarray(at, at + PAGE_BYTES));
      }
      while (pages.size > (options.maxPages ?? count)) pages.delete(pages.keys().next().value ?? 0);
      if (pages.size !== count || isTold) return;
      isTold = true;
      for (const listener of listeners) listener();
    },
    verify: () => Promise.resolve(pages.size === count ? "full" : "incomplete"),
    discard: () => pages.clear(),
    setMarks: (offsets) => void (marks = offsets),
    backing: () => undefined,
    onComplete: (listener) => void listeners.push(listener),
    close: () => {},
  };
}

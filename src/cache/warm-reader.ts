import { readSync } from "node:fs";
import * as at from "./arena-layout.ts";
import type { WarmHandle, WarmResult } from "./cache.ts";

const PAGE_SHIFT = 12;
const PAGE_BYTES = 1 << PAGE_SHIFT;

/**
 * Reads held bytes in any thread: no lock, no promise, no message, no allocation, and no error (what cannot be read is
 * a miss). Between `enter` and `leave` the main thread closes no descriptor and reuses no bitmap that this one may have seen.
 * `reader` is this thread's number below 64; two threads with one number are safe, but delay each other's clean-up.
 */
export class WarmReader {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #line: number;

  constructor(handle: WarmHandle, reader: number) {
    this.#words = new Int32Array(handle.buffer);
    this.#doubles = new Float64Array(handle.buffer, 0, handle.buffer.byteLength >>> 3);
    this.#line = at.HEADER_WORDS + (reader % at.READERS) * at.READER_WORDS;
  }

  /**
   * Puts up to `length` bytes from `offset` (cut at the content's size) into `target` at `targetOffset`, and their number into
   * `result.bytes`; -1 when any of them is not held, and then `target` may hold anything.
   */
  read(
    slot: number,
    offset: number,
    length: number,
    target: Uint8Array,
    targetOffset: number,
    result: WarmResult,
  ): void {
    result.bytes = -1;
    result.crossed = false;
    result.proven = false;
    if (slot <= 0) return;
    const base = at.SLOTS_BASE + (slot & (at.SLOTS - 1)) * at.SLOT_WORDS;
    Atomics.add(this.#words, this.#line, 1);
    try {
      if (Atomics.load(this.#words, base + at.SLOT_GENERATION) !== slot >>> at.SLOT_INDEX_BITS) return;
      const size = this.#doubles[(base + at.SLOT_SIZE) >>> 1] ?? 0;
      const end = Math.min(offset + Math.min(length, target.length - targetOffset), size);
      if (end <= offset) {
        result.bytes = 0;
        return;
      }
      this.#words[base + at.SLOT_USED] = 1;
      if (!this.#fill(base, offset, end, target, targetOffset)) return;
      result.bytes = end - offset;
      result.proven = Atomics.load(this.#words, base + at.SLOT_PROOF) > 0;
      result.crossed = this.#crosses(base, offset, end);
    } catch {
      result.bytes = -1;
    } finally {
      Atomics.sub(this.#words, this.#line, 1);
    }
  }

  #fill(base: number, offset: number, end: number, target: Uint8Array, targetOffset: number): boolean {
    const words = this.#words;
    const kind = words[base + at.SLOT_KIND] ?? 0;
    const shift = (words[base + at.SLOT_LEAF_SHIFT] ?? 0) + PAGE_SHIFT;
    if (kind === at.KIND_SEGMENTS) {
      const root = Atomics.load(words, base + at.SLOT_ROOT);
      if (root === 0) return false;
      const segmentBytes = 2 ** shift;
      for (let start = offset; start < end;) {
        const segment = Math.floor(start / segmentBytes);
        const stop = Math.min(end, (segment + 1) * segmentBytes);
        const pair = root + segment * 2;
        const fd = Atomics.load(words, pair + 1);
        if (fd === 0) return false;
        const origin = segment * segmentBytes;
        if (!this.#held(Atomics.load(words, pair), start - origin, stop - origin)) return false;
        // The same number again means the same file: it cannot be closed, so not reused, while this thread is inside.
        if (Atomics.load(words, pair + 1) !== fd) return false;
        if (!readFully(fd - 1, target, targetOffset + start - offset, stop - start, start - origin)) return false;
        start = stop;
      }
      return true;
    }
    const fd = Atomics.load(words, base + at.SLOT_FD);
    if (fd < 0 || !this.#heldInOne(base, kind, shift, offset, end)) return false;
    if (Atomics.load(words, base + at.SLOT_FD) !== fd) return false;
    return readFully(fd, target, targetOffset, end - offset, offset);
  }

  #heldInOne(base: number, kind: number, shift: number, offset: number, end: number): boolean {
    const words = this.#words;
    if (kind === at.KIND_WHOLE) return end <= (this.#doubles[(base + at.SLOT_AVAILABLE) >>> 1] ?? 0);
    const root = Atomics.load(words, base + at.SLOT_ROOT);
    if (root === 0) return false;
    if (kind === at.KIND_LEAF) return this.#held(root, offset, end);
    const leafBytes = 2 ** shift;
    for (let start = offset; start < end;) {
      const leaf = Math.floor(start / leafBytes);
      const stop = Math.min(end, (leaf + 1) * leafBytes);
      if (!this.#held(Atomics.load(words, root + leaf), start - leaf * leafBytes, stop - leaf * leafBytes))
        return false;
      start = stop;
    }
    return true;
  }

  /** Whether a leaf has the pages of `[start, end)`, counted from the leaf's first byte (below 2^31 pages). */
  #held(leaf: number, start: number, end: number): boolean {
    if (leaf === 0) return false;
    const last = Math.floor((end - 1) / PAGE_BYTES);
    for (let page = Math.floor(start / PAGE_BYTES); page <= last;) {
      const bit = page & 31;
      const count = Math.min(32 - bit, last - page + 1);
      const mask = count === 32 ? -1 : ((1 << count) - 1) << bit;
      if ((Atomics.load(this.#words, leaf + (page >>> 5)) & mask) !== mask) return false;
      page += count;
    }
    return true;
  }

  #crosses(base: number, offset: number, end: number): boolean {
    const first = (base + at.SLOT_MARKS) >>> 1;
    for (let mark = first; mark < first + at.MARKS; mark++) {
      // Stored as offset + 1, so that zeroed memory has no marks.
      const value = (this.#doubles[mark] ?? 0) - 1;
      if (value >= offset && value < end) return true;
    }
    return false;
  }
}

function readFully(fd: number, target: Uint8Array, targetOffset: number, length: number, position: number): boolean {
  let done = 0;
  while (done < length) {
    const count = readSync(fd, target, targetOffset + done, length - done, position + done);
    if (count <= 0) return false;
    done += count;
  }
  return true;
}

import { mergeRanges, subtractRanges, type ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;

interface Block extends ByteRange {
  readonly bytes: Uint8Array;
}

/** The part of a file that its index was read from: every byte is asked for once, and at most `maxBytes` are held. */
export class IndexBytes {
  readonly source: RangeSource;
  readonly #options: ReadOptions;
  readonly #maxBytes: number;
  #blocks: readonly Block[] = [];
  #held = 0;

  constructor(source: RangeSource, options: ReadOptions & { readonly maxBytes?: number } = {}) {
    this.source = source;
    this.#options = { priority: "metadata", ...(options.signal === undefined ? {} : { signal: options.signal }) };
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /** What was read so far. */
  get held(): number {
    return this.#held;
  }

  /** Where the bytes that were read without a gap from `offset` on end; `offset` itself when it was not read. */
  heldFrom(offset: number): number {
    return this.#blocks.reduce((end, block) => (block.start <= end && end < block.end ? block.end : end), offset);
  }

  /** Whether `range`, clipped to the file, may still be taken in. */
  fits(bytes: number): boolean {
    return bytes <= this.#maxBytes - this.#held;
  }

  /**
   * Fetches what is missing of `ranges` in one call. `ahead` is how far behind a missing place is read along, since an
   * index lies together. What lies behind the file's end is left out. Throws `malformed` when more than `maxBytes` are needed.
   */
  async load(ranges: readonly ByteRange[], ahead = 0): Promise<void> {
    const { size } = this.source;
    const missing: ByteRange[] = [];
    for (const range of ranges) {
      const end = Math.min(range.end, size);
      for (const hole of range.start < end ? subtractRanges({ start: range.start, end }, this.#blocks) : []) {
        const wanted = { start: hole.start, end: Math.min(size, Math.max(hole.end, hole.start + ahead)) };
        missing.push(...subtractRanges(wanted, this.#blocks));
      }
    }
    const asked = mergeRanges(missing);
    if (asked.length === 0) return;
    const bytes = asked.reduce((sum, { start, end }) => sum + end - start, 0);
    if (!this.fits(bytes)) {
      throw new RiffleError("malformed", `the TIFF's index takes more than ${this.#maxBytes} bytes`, {
        facts: { maxBytes: this.#maxBytes },
      });
    }
    const answers = await this.source.readMany(asked, this.#options);
    this.#held += bytes;
    const fresh = asked.map((range, i) => ({ ...range, bytes: answers[i] ?? new Uint8Array() }));
    this.#blocks = [...this.#blocks, ...fresh].sort((a, b) => a.start - b.start);
  }

  /** Bytes that were loaded; undefined when some of them lie behind the file's end or were not. */
  view(range: ByteRange): Uint8Array | undefined {
    if (range.end > this.source.size) return undefined;
    const inside = this.#blocks.find((block) => block.start <= range.start && range.end <= block.end);
    if (inside !== undefined) return inside.bytes.subarray(range.start - inside.start, range.end - inside.start);
    if (subtractRanges(range, this.#blocks).length > 0) return undefined;
    const joined = new Uint8Array(range.end - range.start);
    for (const { start, end, bytes } of this.#blocks) {
      const from = Math.max(start, range.start);
      const to = Math.min(end, range.end);
      if (from < to) joined.set(bytes.subarray(from - start, to - start), from - range.start);
    }
    return joined;
  }

  /** `load`, then `view`. Throws `malformed` naming `what` when it lies behind the file's end. */
  async read(range: ByteRange, options: { readonly what: string; readonly ahead?: number }): Promise<Uint8Array> {
    await this.load([range], options.ahead ?? 0);
    const bytes = this.view(range);
    if (bytes === undefined) {
      throw new RiffleError("malformed", `${options.what} lies behind the end of the file`, {
        facts: { at: range.start, size: this.source.size },
      });
    }
    return bytes;
  }
}

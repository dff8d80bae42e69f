import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";

/** Bytes that were fetched for some row groups, for as long as these are worked on. */
export class HeldBytes {
  readonly #parts: { readonly range: ByteRange; readonly bytes: Uint8Array }[] = [];

  /** Fetches what is not held yet, in one go. */
  async fetch(source: RangeSource, options: { readonly ranges: readonly ByteRange[] } & ReadOptions): Promise<void> {
    const missing = options.ranges.filter((range) => range.end > range.start && this.#find(range) === undefined);
    if (missing.length === 0) return;
    const read = await source.readMany(missing, options);
    for (const [at, range] of missing.entries()) this.#parts.push({ range, bytes: read[at] ?? new Uint8Array() });
    this.#parts.sort((a, b) => a.range.start - b.range.start || b.range.end - a.range.end);
  }

  has(range: ByteRange): boolean {
    return range.end <= range.start || this.#find(range) !== undefined;
  }

  add(range: ByteRange, bytes: Uint8Array): void {
    this.#parts.push({ range, bytes });
    this.#parts.sort((a, b) => a.range.start - b.range.start || b.range.end - a.range.end);
  }

  /** Lets go of everything. */
  clear(): void {
    this.#parts.length = 0;
  }

  /** A view of held bytes. */
  get(range: ByteRange): Uint8Array {
    if (range.end <= range.start) return new Uint8Array();
    const part = this.#find(range);
    if (part === undefined) throw new RiffleError("internal", `bytes [${range.start}, ${range.end}) were not fetched`);
    return part.bytes.subarray(range.start - part.range.start, range.end - part.range.start);
  }

  #find(range: ByteRange): { readonly range: ByteRange; readonly bytes: Uint8Array } | undefined {
    let low = 0;
    let high = this.#parts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#parts[middle]?.range.start ?? 0) <= range.start) low = middle + 1;
      else high = middle;
    }
    // Pages of a chunk may be held beside all of it: the longer part can lie before the nearest one.
    for (let at = low - 1; at >= Math.max(0, low - 4); at--) {
      const part = this.#parts[at];
      if (part !== undefined && part.range.end >= range.end) return part;
    }
    return undefined;
  }
}

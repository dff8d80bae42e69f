import type { ByteRange } from "../bytes/range.ts";
import { bytesOf, pageCount, PageMap, type LeafSource } from "./page-map.ts";
import { NO_BOOT, type ExtentRecord, type LogRecord } from "./extent-log.ts";

/**
 * What a log says of one data file, without I/O: which pages are held, which of them were checked against a digest, and
 * which records must first be compared with their bytes (written before the last power cycle, and not known to be on disk).
 */
export class ExtentIndex {
  readonly size: number;
  readonly held: PageMap;
  readonly #verified: PageMap;
  readonly #boot: number;
  #pending: ExtentRecord[] = [];
  #whole = false;

  constructor(size: number, options: { readonly boot: number; readonly leaves?: LeafSource }) {
    this.size = size;
    this.#boot = options.boot;
    this.held = new PageMap(pageCount(size), options.leaves);
    this.#verified = new PageMap(pageCount(size));
  }

  /** The whole content had its digest. */
  get whole(): boolean {
    return this.#whole && this.held.isFull;
  }

  /** Every held page was checked against a digest. */
  get allVerified(): boolean {
    return this.whole || (this.held.count > 0 && this.#verified.count === this.held.count);
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Pages of a range that are not known to be checked. */
  unverified(pages: ByteRange): readonly ByteRange[] {
    return this.whole ? [] : this.#verified.absent(pages.start, pages.end);
  }

  /**
   * Takes in records; `index` is the position in the log of the first of them, `dataBytes` the length of the data file
   * after they were read.
   */
  take(records: readonly LogRecord[], options: { readonly index: number; readonly dataBytes: number }): void {
    const synced = new Map<number, number>();
    for (const record of records) {
      if (record.kind === "synced" && record.boot !== NO_BOOT)
        synced.set(record.boot, Math.max(synced.get(record.boot) ?? 0, record.records));
    }
    for (const [position, record] of records.entries()) {
      if (record.kind === "whole" && options.dataBytes >= this.size) this.markWhole();
      if (record.kind !== "extent" || !this.#fits(record, options.dataBytes)) continue;
      const covered = options.index + position < (synced.get(record.boot) ?? 0);
      if (covered || (record.boot === this.#boot && record.boot !== NO_BOOT)) this.mark(record);
      else this.#pending.push(record);
    }
  }

  /** Takes out the records that must be compared with their bytes before pages of `pages` can be called held. */
  takePending(pages: ByteRange): ExtentRecord[] {
    if (this.#pending.length === 0) return [];
    const taken: ExtentRecord[] = [];
    const kept: ExtentRecord[] = [];
    for (const record of this.#pending) {
      const end = record.first + record.pages;
      if (this.held.has(record.first, end) && (!record.verified || this.#verified.has(record.first, end))) continue;
      if (record.first < pages.end && end > pages.start) taken.push(record);
      else kept.push(record);
    }
    this.#pending = kept;
    return taken;
  }

  mark(extent: { readonly first: number; readonly pages: number; readonly verified: boolean }): void {
    if (extent.verified) this.#verified.set(extent.first, extent.first + extent.pages);
    this.held.set(extent.first, extent.first + extent.pages);
  }

  markWhole(): void {
    this.held.set(0, this.held.pages);
    this.#whole = true;
  }

  #fits(record: ExtentRecord, dataBytes: number): boolean {
    const end = record.first + record.pages;
    if (!Number.isSafeInteger(end) || end > this.held.pages) return false;
    return bytesOf({ start: record.first, end }, this.size).end <= dataBytes;
  }
}

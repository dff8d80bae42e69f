import { PAGE_BYTES, type ByteRange } from "../bytes/range.ts";
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
  #end = 0;

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

  /** How long the data file is at least, by the pages that are held. */
  get dataBytes(): number {
    return Math.min(this.size, this.#end * PAGE_BYTES);
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
   * after they were read. False when some speak of bytes behind its end: it was cut, and they must not be believed later either.
   */
  take(records: readonly LogRecord[], options: { readonly index: number; readonly dataBytes: number }): boolean {
    let isUncut = true;
    const synced = new Map<number, number>();
    for (const record of records) {
      if (record.kind === "synced" && record.boot !== NO_BOOT)
        synced.set(record.boot, Math.max(synced.get(record.boot) ?? 0, record.records));
    }
    for (const [position, record] of records.entries()) {
      if (isBeyond(record, { size: this.size, dataBytes: options.dataBytes })) isUncut = false;
      else if (record.kind === "whole") this.markWhole();
      if (record.kind !== "extent" || !this.#fits(record, options.dataBytes)) continue;
      const covered = options.index + position < (synced.get(record.boot) ?? 0);
      if (covered || (record.boot === this.#boot && record.boot !== NO_BOOT)) this.mark(record);
      else this.#pending.push(record);
    }
    return isUncut;
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
    this.#end = Math.max(this.#end, extent.first + extent.pages);
  }

  markWhole(): void {
    this.held.set(0, this.held.pages);
    this.#end = this.held.pages;
    this.#whole = true;
  }

  #fits(record: ExtentRecord, dataBytes: number): boolean {
    const end = record.first + record.pages;
    if (!Number.isSafeInteger(end) || end > this.held.pages) return false;
    return bytesOf({ start: record.first, end }, this.size).end <= dataBytes;
  }
}

/** Whether a record speaks of bytes that a data file of this length does not have. */
export function isBeyond(
  record: LogRecord,
  { size, dataBytes }: { readonly size: number; readonly dataBytes: number },
): boolean {
  if (record.kind === "whole") return dataBytes < size;
  return record.kind === "extent" && Math.min(size, (record.first + record.pages) * PAGE_BYTES) > dataBytes;
}

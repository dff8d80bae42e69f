import { fstatSync, promises as fsp } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { ByteRange } from "../bytes/range.ts";
import { RecordAppender } from "./appender.ts";
import { HeldFiles, type DescriptorOwner, type Descriptors } from "./descriptors.ts";
import { ExtentIndex } from "./extent-index.ts";
import { decodeRecords, encodeRecord, RECORD_BYTES, RECORD_PAGES_MAX, type LogRecord } from "./extent-log.ts";
import { readFully, readFullyNow, writeFully, type CacheFiles } from "./files.ts";
import { bytesOf, pagesOf, type LeafSource } from "./page-map.ts";
import type { Quarantine } from "./quarantine.ts";
import { createUnit, openUnit, repairUnit, trashUnit } from "./unit-files.ts";

/** A log beyond this was not written by us (a page each for 32 GiB). */
const LOG_BYTES_MAX = 256 * 1024 * 1024;
/** What a power loss may cost: bytes that are fetched again. */
const SYNC_EVERY_BYTES = 64 * 1024 * 1024;
const CREATE_ATTEMPTS = 3;

export interface UnitHost {
  readonly files: CacheFiles;
  readonly boot: number;
  readonly trash: string;
  readonly descriptors: Descriptors;
  readonly quarantine: Quarantine;
  /** Keeps a job in sight of `close`. */
  background(job: Promise<void>): void;
  /** There are bytes that a power loss could cost. */
  dirtied(unit: Unit): void;
}

/** How other threads see a unit. */
export interface UnitWindow {
  readonly leaves: LeafSource;
  /** -1: none. */
  setFile(fd: number): void;
  /** Hides file and bitmaps; new ones may be shown at once. */
  reset(): void;
  wasUsed(): boolean;
  /** Pages that nobody checked are about to be shown. */
  lowerProof(): void;
  /** More is held, or more of it is proven. */
  changed(): void;
}

interface Life {
  readonly index: ExtentIndex;
  readonly nonce: number;
  /** Bytes of the log taken in. */
  seen: number;
  torn: boolean;
  dirtyBytes: number;
}

/**
 * One data file and its log: a whole content, or one segment of a large one. What another process did to them is seen by
 * `look`. A life ends when the directory was evicted, deleted or thrown away; the next write begins another.
 */
export class Unit implements DescriptorOwner {
  readonly size: number;
  readonly #host: UnitHost;
  readonly #window: UnitWindow;
  readonly #appender: RecordAppender;
  #directory: string;
  #life: Life | undefined;
  #open: HeldFiles | undefined;
  #repairing: Promise<void> | undefined;

  constructor(
    directory: string,
    options: { readonly size: number; readonly host: UnitHost; readonly window: UnitWindow },
  ) {
    this.#directory = directory;
    this.size = options.size;
    this.#host = options.host;
    this.#window = options.window;
    this.#appender = new RecordAppender(options.host.files, () => {
      if (this.#life !== undefined) this.#life.torn = true;
    });
  }

  get directory(): string {
    return this.#directory;
  }

  /** Undefined while nothing of the content is on disk. */
  get index(): ExtentIndex | undefined {
    return this.#life?.index;
  }

  /** Takes in what others wrote, and proves what must be proven before pages of `pages` count as held. */
  look(pages: ByteRange): void {
    try {
      if (this.#life === undefined && this.#begin() !== "begun") return;
      if (this.#readTail()) this.#settle(pages);
    } catch {
      // Disk trouble is a miss.
    }
  }

  /** Throws when the disk does not take the bytes; `false` when the unit was thrown away meanwhile. */
  async write(offset: number, bytes: Uint8Array, options: { readonly verified: boolean }): Promise<boolean> {
    const wanted = pagesOf({ start: offset, end: offset + bytes.length });
    const life = await this.#writable(wanted);
    const held = this.#files()?.hold();
    if (held === undefined || life !== this.#life) {
      held?.release();
      return false;
    }
    try {
      const todo = options.verified ? life.index.unverified(wanted) : life.index.held.absent(wanted.start, wanted.end);
      const records: LogRecord[] = [];
      for (const run of todo) {
        const range = bytesOf(run, this.size);
        const part = bytes.subarray(range.start - offset, range.end - offset);
        await writeFully(this.#host.files, held.data, { bytes: part, position: range.start });
        if (this.#life !== life) return false;
        if (!options.verified) this.#window.lowerProof();
        for (const record of extents(run, part, { verified: options.verified, boot: this.#host.boot })) {
          life.index.mark(record);
          records.push(record);
        }
        life.dirtyBytes += part.length;
      }
      if (todo.length === 0) return true;
      this.#window.changed();
      await this.#appender.append(held, records.map(encodeRecord));
      this.#host.dirtied(this);
      if (life.dirtyBytes >= SYNC_EVERY_BYTES) this.#host.background(this.sync());
      return true;
    } finally {
      held.release();
    }
  }

  /** False when the bytes are not all there after all; the caller has made sure that they are held. */
  async read(range: ByteRange, target: Uint8Array): Promise<boolean> {
    const life = this.#life;
    let held: HeldFiles | undefined;
    try {
      held = this.#files()?.hold();
      if (held === undefined || life !== this.#life) return false;
      if (await readFully(this.#host.files, held.data, { target, position: range.start })) return true;
    } catch {
      // The same as a file that ends too early.
    } finally {
      held?.release();
    }
    if (held !== undefined && life === this.#life) this.discard();
    return false;
  }

  /** The same, at once, for bytes that the page cache most likely has. */
  readInto(range: ByteRange, target: Uint8Array): boolean {
    const life = this.#life;
    try {
      const held = this.#files();
      if (held === undefined || life !== this.#life) return false;
      if (readFullyNow(this.#host.files, held.data, { target, position: range.start })) return true;
      this.discard();
    } catch {
      // A miss: the asynchronous read decides what becomes of the unit.
    }
    return false;
  }

  /** Makes what was written so far survive a power loss. Never rejects. */
  async sync(): Promise<void> {
    const life = this.#life;
    if (life?.torn === true) await this.#mend(life);
    if (life === undefined || life.dirtyBytes === 0) return;
    life.dirtyBytes = 0;
    await this.#recordAfterSync((records) => ({ kind: "synced", records, boot: this.#host.boot }));
  }

  /** Remembers that all bytes had the content's digest, once they are on stable storage. */
  async proveWhole(): Promise<boolean> {
    const life = this.#life;
    if (life?.index.held.isFull !== true) return false;
    await this.#recordAfterSync(() => ({ kind: "whole", boot: this.#host.boot }));
    if (life !== this.#life) return false;
    life.index.markWhole();
    this.#window.changed();
    return true;
  }

  /** The open data file, for who reads it in another thread; it stays open until `release`. */
  hold(): HeldFiles | undefined {
    try {
      const held = this.#files()?.hold();
      if (held !== undefined && this.#life !== undefined) return held;
      held?.release();
    } catch {
      // As if it were not there.
    }
    return undefined;
  }

  /** Tells other processes, roughly, that this unit is wanted. */
  async touch(now: number): Promise<void> {
    if (this.#life === undefined) return;
    await fsp.utimes(join(this.#directory, "used"), now / 1000, now / 1000).catch(() => undefined);
  }

  discard(): void {
    if (this.#life === undefined) this.look({ start: 0, end: 0 });
    this.#end();
    this.#host.background(trashUnit({ directory: this.#directory, trash: this.#host.trash }));
  }

  async close(): Promise<void> {
    await this.#appender.idle();
    await this.sync();
    this.#end();
  }

  giveUp(): void {
    this.#window.setFile(-1);
    this.#open?.release();
    this.#open = undefined;
  }

  wasUsed(): boolean {
    return this.#window.wasUsed();
  }

  async #recordAfterSync(record: (recordsBefore: number) => LogRecord): Promise<void> {
    const held = this.hold();
    if (held === undefined) return;
    try {
      await this.#appender.idle();
      // Counted before the sync: a neighbour may append what this sync does not reach.
      const before = Math.floor(fstatSync(held.log).size / RECORD_BYTES);
      await this.#host.files.datasync(held.data);
      await this.#appender.append(held, [encodeRecord(record(before))]);
    } catch {
      // Not synced: these bytes are checked again after a power loss.
    } finally {
      held.release();
    }
  }

  #begin(): "begun" | "absent" | "damaged" {
    const opened = openUnit(this.#place());
    if (typeof opened === "string") return opened;
    if (opened.size !== this.size) {
      // Somebody was told another size for this digest; they cannot share pages.
      for (const fd of [opened.data, opened.log]) this.#host.files.close(fd);
      const own = `~size-${this.size}`;
      if (this.#directory.endsWith(own)) return "damaged";
      this.#directory += own;
      return this.#begin();
    }
    const index = new ExtentIndex(this.size, { boot: this.#host.boot, leaves: this.#window.leaves });
    this.#life = { index, nonce: opened.nonce, seen: 0, torn: false, dirtyBytes: 0 };
    this.#adopt(opened);
    return "begun";
  }

  #adopt(fds: { readonly data: number; readonly log: number }): void {
    this.#open = new HeldFiles(fds, this.#host);
    this.#host.descriptors.add(this, 2);
    this.#window.setFile(fds.data);
  }

  /** This life's files, opened again if they were given up; undefined (and the life over) when they are gone. */
  #files(): HeldFiles | undefined {
    if (this.#life === undefined) return undefined;
    if (this.#open !== undefined) {
      this.#host.descriptors.touch(this);
      return this.#open;
    }
    const opened = openUnit(this.#place());
    if (typeof opened === "string") this.#end();
    else if (opened.nonce === this.#life.nonce && opened.size === this.size) this.#adopt(opened);
    else {
      for (const fd of [opened.data, opened.log]) this.#host.files.close(fd);
      this.#end();
    }
    return this.#open;
  }

  #end(): void {
    if (this.#life === undefined) return;
    this.#life = undefined;
    this.#window.reset();
    this.#host.descriptors.remove(this);
    this.#open?.release();
    this.#open = undefined;
    this.#window.changed();
  }

  /** False when this life is over. */
  #readTail(): boolean {
    const held = this.#files();
    const life = this.#life;
    if (held === undefined || life === undefined) return false;
    const size = fstatSync(held.log).size;
    if (size === life.seen || life.torn) return true;
    if (size < life.seen || size > LOG_BYTES_MAX) {
      life.torn = true;
      return true;
    }
    const tail = Buffer.alloc(size - life.seen);
    if (!readFullyNow(this.#host.files, held.log, { target: tail, position: life.seen })) return true;
    const { records, bytesUsed, torn } = decodeRecords(tail);
    this.#window.lowerProof();
    const dataBytes = fstatSync(held.data).size;
    life.index.take(records, { index: life.seen / RECORD_BYTES, dataBytes });
    life.seen += bytesUsed;
    life.torn = torn;
    if (torn) this.#host.dirtied(this);
    this.#window.changed();
    return true;
  }

  /** Compares records of before the last power cycle with their bytes; those that agree are written down anew. */
  #settle(pages: ByteRange): void {
    const life = this.#life;
    const held = this.#open;
    if (life === undefined || held === undefined || life.index.pendingCount === 0) return;
    const good: LogRecord[] = [];
    for (const record of life.index.takePending(pages)) {
      const range = bytesOf({ start: record.first, end: record.first + record.pages }, this.size);
      const bytes = Buffer.allocUnsafe(range.end - range.start);
      if (!readFullyNow(this.#host.files, held.data, { target: bytes, position: range.start })) continue;
      if (crc32(bytes) !== record.crc) continue;
      this.#window.lowerProof();
      life.index.mark(record);
      good.push({ ...record, boot: this.#host.boot });
      life.dirtyBytes += bytes.length;
    }
    if (good.length === 0) return;
    this.#window.changed();
    this.#host.background(this.#appender.append(held, good.map(encodeRecord)).catch(() => undefined));
    this.#host.dirtied(this);
  }

  /** A life that takes writes: begun, still in its place, with a sound log. */
  async #writable(pages: ByteRange): Promise<Life> {
    for (let attempt = 0; attempt < CREATE_ATTEMPTS; attempt++) {
      if (this.#repairing !== undefined) await this.#repairing;
      if (this.#life === undefined) this.#create();
      const life = this.#life;
      const held = this.#files();
      if (life === undefined || held === undefined) continue;
      const log = fstatSync(held.log);
      if (log.nlink === 0) {
        this.#end();
        continue;
      }
      if (!this.#readTail()) continue;
      this.#settle(pages);
      if (!life.torn && (log.size - life.seen) % RECORD_BYTES === 0) return life;
      await this.#mend(life);
    }
    throw new Error("the cache directory does not hold still");
  }

  #create(): void {
    const found = this.#begin();
    if (found === "begun") return;
    const place = this.#place();
    if (found === "damaged") this.#host.background(trashUnit(place));
    createUnit(place, { size: this.size, boot: this.#host.boot });
    this.#begin();
  }

  #mend(life: Life): Promise<void> {
    this.#repairing ??= this.#repair(life).finally(() => {
      this.#repairing = undefined;
    });
    return this.#repairing;
  }

  async #repair(life: Life): Promise<void> {
    const held = this.hold();
    if (held === undefined) return;
    try {
      await this.#appender.idle();
      const log = Buffer.alloc(life.seen);
      if (!(await readFully(this.#host.files, held.log, { target: log, position: 0 })))
        throw new Error("log is shorter");
      if (this.#life !== life) return;
      this.#host.background(repairUnit(this.#place(), { data: held.data, log }));
      this.#host.descriptors.remove(this);
      this.giveUp();
      life.torn = false;
    } catch {
      // No links here, or the log went away: begin anew.
      if (this.#life === life) this.discard();
    } finally {
      held.release();
    }
  }

  #place(): { readonly files: CacheFiles; readonly directory: string; readonly trash: string } {
    return { files: this.#host.files, directory: this.#directory, trash: this.#host.trash };
  }
}

function extents(
  run: ByteRange,
  bytes: Uint8Array,
  how: { readonly verified: boolean; readonly boot: number },
): Extract<LogRecord, { kind: "extent" }>[] {
  const records: Extract<LogRecord, { kind: "extent" }>[] = [];
  for (let first = run.start; first < run.end; first += RECORD_PAGES_MAX) {
    const pages = Math.min(RECORD_PAGES_MAX, run.end - first);
    const part = bytes.subarray((first - run.start) * 4096, (first - run.start + pages) * 4096);
    records.push({ kind: "extent", first, pages, crc: crc32(part), verified: how.verified, boot: how.boot });
  }
  return records;
}

import { fstatSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { ByteRange } from "../bytes/range.ts";
import { RecordAppender } from "./appender.ts";
import { HeldFiles, type DescriptorOwner, type Descriptors } from "./descriptors.ts";
import { ExtentIndex, isBeyond } from "./extent-index.ts";
import { decodeRecords, encodeRecord, RECORD_BYTES, type LogRecord } from "./extent-log.ts";
import { readFully, readFullyNow, type CacheFiles } from "./files.ts";
import { bytesOf, type LeafSource } from "./page-map.ts";
import type { Quarantine } from "./quarantine.ts";
import { openUnit, repairUnit, type UnitFiles, type UnitPlace } from "./unit-files.ts";

/** A log beyond this was not written by us (a page each for 32 GiB). */
const LOG_BYTES_MAX = 256 * 1024 * 1024;

export interface UnitHost {
  readonly files: CacheFiles;
  readonly boot: number;
  readonly trash: string;
  readonly descriptors: Descriptors;
  readonly quarantine: Quarantine;
  readonly now: () => number;
  /** Keeps a job in sight of `close`. */
  background(job: Promise<void>): void;
  /** There is something to sync or to mend at the next idle moment. */
  dirtied(unit: Tidied): void;
}

/** Something that an idle moment is for. */
export interface Tidied {
  tidy(): Promise<void>;
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
  /** More or less is held, or more of it is proven. */
  changed(): void;
}

export interface UnitOptions {
  readonly size: number;
  readonly host: UnitHost;
  readonly window: UnitWindow;
}

/**
 * One life of a unit: from the moment its directory was found or made until that was evicted, deleted or thrown away.
 * Index, bitmaps and data file belong together; a life that ended answers nothing any more.
 */
export class UnitLife implements DescriptorOwner {
  readonly index: ExtentIndex;
  /** Written since the last sync. */
  dirtyBytes = 0;
  readonly #place: UnitPlace;
  readonly #options: UnitOptions;
  readonly #nonce: number;
  readonly #appender: RecordAppender;
  #open: HeldFiles | undefined;
  #seen = 0;
  /** Bytes that we appended behind those, and need not read. */
  #own = 0;
  #torn = false;
  /** The least length at which the data file was found when the log speaks of more. */
  #cutAt = Infinity;
  #over = false;

  constructor(opened: UnitFiles, options: UnitOptions & { readonly place: UnitPlace }) {
    this.#options = options;
    this.#place = options.place;
    this.#nonce = opened.nonce;
    this.#appender = new RecordAppender(options.host.files, () => {
      this.#torn = true;
    });
    this.index = new ExtentIndex(options.size, { boot: options.host.boot, leaves: options.window.leaves });
    this.#adopt(opened);
  }

  get isOver(): boolean {
    return this.#over;
  }

  get isTorn(): boolean {
    return this.#torn;
  }

  /** The files, opened again if they were given up; undefined, and the life over, when they are gone. Throws on disk trouble. */
  files(): HeldFiles | undefined {
    if (this.#over) return undefined;
    const { host, size } = this.#options;
    if (this.#open !== undefined) {
      host.descriptors.touch(this);
      return this.#open;
    }
    const opened = openUnit(this.#place);
    if (typeof opened === "string") this.end();
    else if (opened.nonce === this.#nonce && opened.size === size) this.#adopt(opened);
    else {
      for (const fd of [opened.data, opened.log]) host.files.close(fd);
      this.end();
    }
    return this.#open;
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.window.reset();
    this.#options.host.descriptors.remove(this);
    this.#open?.release();
    this.#open = undefined;
    this.#options.window.changed();
  }

  giveUp(): void {
    this.#options.window.setFile(-1);
    this.#open?.release();
    this.#open = undefined;
  }

  wasUsed(): boolean {
    return this.#options.window.wasUsed();
  }

  /** Takes in what was appended since the last look; `logBytes` is the log's length where that was asked for just now. */
  readTail(logBytes?: number): void {
    const held = this.files();
    if (held === undefined || this.#torn) return;
    const size = logBytes ?? fstatSync(held.log).size;
    if (size === this.#seen + this.#own) {
      this.#seen = size;
      this.#own = 0;
      return;
    }
    if (size < this.#seen || size > LOG_BYTES_MAX) return this.#foundTorn();
    const tail = Buffer.alloc(size - this.#seen);
    if (!readFullyNow(this.#options.host.files, held.log, { target: tail, position: this.#seen })) return;
    // What is being appended right now may or may not be in there: NaN until a read that knows.
    this.#own = this.#appender.isIdle ? 0 : NaN;
    const { records, bytesUsed, torn } = decodeRecords(tail);
    this.#options.window.lowerProof();
    const dataBytes = fstatSync(held.data).size;
    const isUncut = this.index.take(records, { index: this.#seen / RECORD_BYTES, dataBytes });
    if (!isUncut) this.#cutAt = Math.min(this.#cutAt, dataBytes);
    this.#seen += bytesUsed;
    if (torn || !isUncut) this.#foundTorn();
    this.#options.window.changed();
  }

  /** Compares records of before the last power cycle with their bytes; those that agree are written down anew. */
  settle(pages: ByteRange): void {
    if (this.index.pendingCount === 0) return;
    const held = this.files();
    if (held === undefined) return;
    const { host, window, size } = this.#options;
    const good: LogRecord[] = [];
    for (const record of this.index.takePending(pages)) {
      const range = bytesOf({ start: record.first, end: record.first + record.pages }, size);
      const bytes = Buffer.allocUnsafe(range.end - range.start);
      if (!readFullyNow(host.files, held.data, { target: bytes, position: range.start })) continue;
      if (crc32(bytes) !== record.crc) continue;
      window.lowerProof();
      this.index.mark(record);
      good.push({ ...record, boot: host.boot });
      this.dirtyBytes += bytes.length;
    }
    if (good.length === 0) return;
    window.changed();
    host.background(this.append(held, good));
  }

  /** Whether records may be appended: the directory is still there, and every record in the log can be read. */
  checkPlace(): "sound" | "torn" | "gone" {
    const held = this.files();
    if (held === undefined) return "gone";
    const log = fstatSync(held.log);
    // A data file that was cut would grow over the gap, and the gap would be zeros that the log vouches for.
    if (log.nlink === 0 || fstatSync(held.data).size < this.index.dataBytes) {
      this.end();
      return "gone";
    }
    this.readTail(log.size);
    if (this.#over) return "gone";
    return this.#torn || (log.size - this.#seen) % RECORD_BYTES > 0 ? "torn" : "sound";
  }

  async append(held: HeldFiles, records: readonly LogRecord[]): Promise<void> {
    await this.#appender.append(held, records.map(encodeRecord));
    this.#own += records.length * RECORD_BYTES;
  }

  /** Appends a record that speaks of what is on stable storage. Rejects when that cannot be had. */
  async appendAfterSync(make: (recordsBefore: number) => LogRecord): Promise<void> {
    const held = this.files()?.hold();
    if (held === undefined) throw new Error("the files are gone");
    try {
      await this.#appender.idle();
      // Counted before the sync: a neighbour may append what this sync does not reach.
      const before = Math.floor(fstatSync(held.log).size / RECORD_BYTES);
      await this.#options.host.files.datasync(held.data);
      await this.append(held, [make(before)]);
    } finally {
      held.release();
    }
  }

  idle(): Promise<void> {
    return this.#appender.idle();
  }

  /** Puts the readable part of the log in the place of all of it; ends the life where that cannot be done. */
  async mend(): Promise<void> {
    const held = this.files()?.hold();
    if (held === undefined) return;
    try {
      await this.#appender.idle();
      const log = Buffer.alloc(this.#seen);
      if (!(await readFully(this.#options.host.files, held.log, { target: log, position: 0 })))
        throw new Error("the log became shorter");
      if (this.#over) return;
      const good =
        this.#cutAt === Infinity ? log : withoutBeyond(log, { size: this.#options.size, dataBytes: this.#cutAt });
      this.#options.host.background(repairUnit(this.#place, { data: held.data, log: good }));
      this.#seen = good.length;
      this.#cutAt = Infinity;
      this.#options.host.descriptors.remove(this);
      this.giveUp();
      this.#own = 0;
      this.#torn = false;
    } catch {
      this.end();
    } finally {
      held.release();
    }
  }

  #foundTorn(): void {
    this.#torn = true;
  }

  #adopt(fds: { readonly data: number; readonly log: number }): void {
    this.#open = new HeldFiles(fds, this.#options.host);
    this.#options.host.descriptors.add(this, 2);
    this.#options.window.setFile(fds.data);
  }
}

/**
 * A log without what it says of bytes behind the end of the data, nor of what is on stable storage: that counts records.
 * What is left is compared with its bytes after the next power cycle.
 */
function withoutBeyond(log: Buffer, place: { readonly size: number; readonly dataBytes: number }): Buffer {
  const { records } = decodeRecords(log);
  return Buffer.concat(
    records
      .filter((record) => record.kind !== "synced" && !isBeyond(record, place))
      .map((record) => encodeRecord(record)),
  );
}

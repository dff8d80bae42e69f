import { promises as fsp } from "node:fs";
import { join } from "node:path";
import type { ByteRange } from "../bytes/range.ts";
import type { HeldFiles } from "./descriptors.ts";
import type { ExtentIndex } from "./extent-index.ts";
import { extentRecords, type LogRecord } from "./extent-log.ts";
import { readFully, writeFully } from "./files.ts";
import { bytesOf, pagesOf } from "./page-map.ts";
import { createUnit, openUnit, trashUnit, type UnitPlace } from "./unit-files.ts";
import { UnitLife, type Tidied, type UnitOptions } from "./unit-life.ts";

/** What a power loss may cost: bytes that are fetched again. */
const SYNC_EVERY_BYTES = 64 * 1024 * 1024;
/** At the end less than this is left unsynced: checking it after a power loss is cheaper than a sync now, of thousands of files. */
const SYNC_AT_END_BYTES = 1024 * 1024;
const CREATE_ATTEMPTS = 4;

/**
 * One data file and its log: a whole content, or one segment of a large one. What other processes did to them is seen by
 * `look`. When its life ended (evicted, deleted, thrown away), the next write begins another.
 */
export class Unit implements Tidied {
  readonly size: number;
  readonly #options: UnitOptions;
  readonly #writing = new Set<Promise<unknown>>();
  #directory: string;
  /** By the cache's clock: the last read or write by this thread. */
  usedAt: number;
  #current: UnitLife | undefined;
  #mending: Promise<void> | undefined;

  constructor(directory: string, options: UnitOptions) {
    this.#directory = directory;
    this.#options = options;
    this.size = options.size;
    this.usedAt = options.host.now();
  }

  get directory(): string {
    return this.#directory;
  }

  /** Undefined while nothing of the content is on disk. One object for each life. */
  get index(): ExtentIndex | undefined {
    return this.#life?.index;
  }

  /** Takes in what others wrote, and proves what must be proven before pages of `pages` count as held. */
  look(pages: ByteRange): void {
    try {
      if (this.#life === undefined && this.#begin() !== "begun") return;
      this.#life?.readTail();
      this.#life?.settle(pages);
      if (this.#life?.isTorn === true || (this.#life?.dirtyBytes ?? 0) > 0) this.#options.host.dirtied(this);
    } catch {
      // Disk trouble is a miss.
    }
  }

  /** Throws when the disk does not take the bytes; false when the unit was thrown away meanwhile. */
  async write(offset: number, bytes: Uint8Array, options: { readonly verified: boolean }): Promise<boolean> {
    const job = this.#write(offset, bytes, options);
    this.usedAt = this.#options.host.now();
    this.#writing.add(job);
    try {
      return await job;
    } finally {
      this.#writing.delete(job);
    }
  }

  /** Resolves when no write is under way that began before. */
  async quiet(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }

  /** False when the bytes are not all there after all; the caller has made sure that they are held. */
  async read(range: ByteRange, target: Uint8Array): Promise<boolean> {
    const life = this.#life;
    this.usedAt = this.#options.host.now();
    let held: HeldFiles | undefined;
    try {
      held = life?.files()?.hold();
      if (held === undefined) return false;
      if (await readFully(this.#options.host.files, held.data, { target, position: range.start })) return true;
    } catch {
      // The same as a file that ends too early.
    } finally {
      held?.release();
    }
    // Only what could be opened is damaged; where descriptors ran out it is a miss.
    if (held !== undefined && life?.isOver === false) this.discard();
    return false;
  }

  /** The open files of the life that `of` is the index of, for who reads them in another thread. `release` them. */
  hold(of?: ExtentIndex): HeldFiles | undefined {
    const life = this.#life;
    if (life === undefined || (of !== undefined && of !== life.index)) return undefined;
    try {
      return life.files()?.hold();
    } catch {
      return undefined;
    }
  }

  /** Remembers that all bytes had the content's digest, once they are on stable storage; `of` says in which life they had. */
  async proveWhole(of: ExtentIndex): Promise<boolean> {
    const life = this.#life;
    if (life?.index !== of || !of.held.isFull) return false;
    const boot = this.#options.host.boot;
    await life.appendAfterSync(() => ({ kind: "whole", boot })).catch(() => undefined);
    if (life.isOver) return false;
    of.markWhole();
    this.#options.window.changed();
    return true;
  }

  /** Mends a log that cannot be read to its end; makes what was written survive a power loss. Never rejects. */
  async tidy(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    if (life.isTorn) await this.#mend(life);
    if (life.isOver || life.dirtyBytes === 0) return;
    life.dirtyBytes = 0;
    const boot = this.#options.host.boot;
    // Not synced is not lost: these bytes are checked again after a power loss.
    await life.appendAfterSync((records) => ({ kind: "synced", records, boot })).catch(() => undefined);
  }

  /** Tells other processes, roughly, that this unit is wanted. */
  async touch(now: number): Promise<void> {
    if (this.#life === undefined) return;
    await fsp.lutimes(join(this.#directory, "used"), now / 1000, now / 1000).catch(() => undefined);
  }

  discard(): void {
    this.look({ start: 0, end: 0 });
    this.#life?.end();
    this.#options.host.background(trashUnit(this.#place()));
  }

  async close(): Promise<void> {
    await this.quiet();
    await this.#life?.idle();
    if ((this.#life?.dirtyBytes ?? 0) >= SYNC_AT_END_BYTES) await this.tidy();
    this.#life?.end();
  }

  get #life(): UnitLife | undefined {
    if (this.#current?.isOver === true) this.#current = undefined;
    return this.#current;
  }

  async #write(offset: number, bytes: Uint8Array, options: { readonly verified: boolean }): Promise<boolean> {
    const { host, window } = this.#options;
    const wanted = pagesOf({ start: offset, end: offset + bytes.length });
    const life = await this.#writable(wanted);
    const { index } = life;
    const todo = options.verified ? index.unverified(wanted) : index.held.absent(wanted.start, wanted.end);
    const held = todo.length === 0 ? undefined : life.files()?.hold();
    if (held === undefined) return !life.isOver;
    try {
      const records: LogRecord[] = [];
      for (const run of todo) {
        const range = bytesOf(run, this.size);
        const part = bytes.subarray(range.start - offset, range.end - offset);
        await writeFully(host.files, held.data, { bytes: part, position: range.start });
        if (life.isOver) return false;
        if (!options.verified) window.lowerProof();
        for (const record of extentRecords(run, part, { verified: options.verified, boot: host.boot })) {
          index.mark(record);
          records.push(record);
        }
        life.dirtyBytes += part.length;
      }
      window.changed();
      await life.append(held, records);
      if (life.dirtyBytes >= SYNC_EVERY_BYTES) host.background(this.tidy());
      else host.dirtied(this);
      return true;
    } finally {
      held.release();
    }
  }

  /** A life that takes writes: still in its place, with a sound log. */
  async #writable(pages: ByteRange): Promise<UnitLife> {
    for (let attempt = 0; attempt < CREATE_ATTEMPTS; attempt++) {
      await this.#mending;
      if (this.#life === undefined) this.#create();
      const life = this.#life;
      const state = life?.checkPlace() ?? "gone";
      if (life === undefined || state === "gone") continue;
      if (state === "sound") {
        life.settle(pages);
        return life;
      }
      await this.#mend(life);
    }
    throw new Error("the cache directory does not hold still");
  }

  #mend(life: UnitLife): Promise<void> {
    this.#mending ??= life.mend().finally(() => {
      this.#mending = undefined;
    });
    return this.#mending;
  }

  #begin(): "begun" | "absent" | "damaged" {
    const place = this.#place();
    const opened = openUnit(place);
    if (typeof opened === "string") return opened;
    if (opened.size !== this.size) {
      // Somebody was told another size for this digest; the two cannot share pages.
      for (const fd of [opened.data, opened.log]) this.#options.host.files.close(fd);
      const own = `~size-${this.size}`;
      if (this.#directory.endsWith(own)) return "damaged";
      this.#directory += own;
      return this.#begin();
    }
    this.#current = new UnitLife(opened, { ...this.#options, place });
    return "begun";
  }

  #create(): void {
    const found = this.#begin();
    if (found === "begun") return;
    const place = this.#place();
    if (found === "damaged") this.#options.host.background(trashUnit(place));
    createUnit(place, { size: this.size, boot: this.#options.host.boot });
    this.#begin();
  }

  #place(): UnitPlace {
    const { host } = this.#options;
    return { files: host.files, directory: this.#directory, trash: host.trash };
  }
}

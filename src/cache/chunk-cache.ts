import { promises as fsp } from "node:fs";
import { Arena } from "./arena.ts";
import { bootTag } from "./extent-log.ts";
import { evictUnits, planEviction, surveyUnits, sweepTrash } from "./budget.ts";
import type { Cache, CacheEntry, CacheOptions, CacheStatus, WarmHandle } from "./cache.ts";
import { Descriptors } from "./descriptors.ts";
import { contentDirectory, type CachePlace } from "./directory.ts";
import { DiskBody } from "./disk-body.ts";
import { Entry, type EntryHost } from "./entry.ts";
import type { CacheFiles } from "./files.ts";
import { ForeignBody } from "./foreign-body.ts";
import { HashThread } from "./hash-thread.ts";
import { MemoryStore } from "./memory-pages.ts";
import { Quarantine } from "./quarantine.ts";
import type { Unit } from "./unit.ts";
import type { Tidied, UnitHost } from "./unit-life.ts";

/** A segment is what eviction takes at once; with the leaf of a bitmap it has 256 MiB in common. */
const SEGMENT_BYTES = 256 * 1024 * 1024;
/** A content over this part of the budget is cut into segments. */
const SEGMENTED_FROM = 1 / 4;
/** Between two lines about the same trouble. */
const TROUBLE_MS = 60_000;
/** A `used` file is touched no more often. */
const TOUCH_MS = 60_000;
/** While filling is stopped: how often it is asked whether it may go on. */
const FULL_MS = 60_000;
/** A segment that main did not read for so long may be evicted though its content is open. */
const SEGMENT_IDLE_MS = 30_000;
/** Others write too: how often usage is measured anew while we write. */
const SURVEY_MS = 10 * 60_000;

export interface ChunkCacheParts {
  readonly place: CachePlace | undefined;
  readonly files: CacheFiles;
  readonly bootId: string | undefined;
  readonly options: Required<
    Pick<CacheOptions, "limitBytes" | "memoryBytes" | "maxOpenFiles" | "freeSpace" | "now" | "log" | "idleMs">
  > &
    Pick<CacheOptions, "directory" | "segmentBytes" | "arenaBytes">;
}

interface OpenUnit {
  readonly unit: Unit;
  readonly segmented: boolean;
}

/** The cache of one process: what its entries share, and the work in the background. */
export class ChunkCache implements Cache, UnitHost, EntryHost {
  readonly files: CacheFiles;
  readonly boot: number;
  readonly descriptors: Descriptors;
  readonly quarantine: Quarantine;
  readonly hashing: HashThread = new HashThread();
  readonly now: () => number;
  readonly #parts: ChunkCacheParts;
  readonly #arena: Arena;
  readonly #memory: MemoryStore;
  readonly #entries = new Map<string, Entry>();
  readonly #bodies = new Map<Entry, DiskBody>();
  readonly #touched = new Map<Entry, number>();
  readonly #jobs = new Set<Promise<void>>();
  readonly #dirty = new Set<Tidied>();
  #idle: NodeJS.Timeout | undefined;
  #troubleAt: number | undefined;
  #full = false;
  #closed = false;
  #usage = 0;
  #surveyedAt: number | undefined;
  #writtenSince = 0;
  #surveying: Promise<void> | undefined;

  constructor(parts: ChunkCacheParts) {
    const { options } = parts;
    this.#parts = parts;
    this.files = parts.files;
    this.boot = bootTag(parts.bootId);
    this.now = options.now;
    this.#arena = new Arena(options.arenaBytes === undefined ? {} : { bytes: options.arenaBytes });
    this.quarantine = new Quarantine(this.#arena.words);
    this.descriptors = new Descriptors(options.maxOpenFiles);
    this.#memory = new MemoryStore(options.memoryBytes);
    if (parts.place !== undefined) this.background(sweepTrash(parts.place.root, this.now()));
  }

  get trash(): string {
    return `${this.#parts.place?.root ?? ""}/trash`;
  }

  get warm(): WarmHandle {
    return { buffer: this.#arena.buffer };
  }

  open(id: string, size: number): CacheEntry {
    const root = this.#parts.place?.root;
    const directory = root === undefined ? undefined : contentDirectory(root, id);
    return this.#enter(`${size} ${id}`, { id, size }, (entry) => {
      if (directory === undefined) return undefined;
      const segmentBytes = this.#segmentBytes(size);
      const common = { size, host: this, arena: this.#arena, listener: entry };
      const body =
        segmentBytes === undefined
          ? new DiskBody(directory, common)
          : new DiskBody(`${directory}~${size}-by-${segmentBytes}`, { ...common, segmentBytes });
      this.#bodies.set(entry, body);
      return body;
    });
  }

  attach(id: string, size: number, path: string): CacheEntry {
    return this.#enter(
      `${size} ${id} ${path}`,
      { id, size },
      () => new ForeignBody(path, { size, host: this, arena: this.#arena }),
    );
  }

  async status(): Promise<CacheStatus> {
    const { place, options } = this.#parts;
    if (place === undefined) {
      const entries = [...this.#entries.values()].filter((entry) => entry.heldBytes > 0).length;
      return { directory: undefined, bytes: this.#memory.bytes, limit: this.#memory.limit, entries };
    }
    const units = await surveyUnits(place.root);
    const bytes = units.reduce((sum, unit) => sum + unit.bytes, 0);
    return { directory: options.directory, bytes, limit: options.limitBytes, entries: units.length };
  }

  async clear(): Promise<{ readonly freedBytes: number }> {
    const { place } = this.#parts;
    if (place === undefined) return { freedBytes: 0 };
    const open = this.#openUnits();
    const units = (await surveyUnits(place.root)).filter((unit) => !open.has(unit.directory));
    return { freedBytes: await evictUnits(place.root, units) };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#idle);
    for (const entry of this.#entries.values()) entry.end();
    await this.settled();
    await this.hashing.close();
    const { place } = this.#parts;
    if (place?.isPrivate === true) await fsp.rm(place.root, { recursive: true, force: true });
  }

  /** Resolves when nothing goes on in the background any more. */
  async settled(): Promise<void> {
    while (this.#jobs.size > 0) await Promise.all(this.#jobs);
  }

  /** Syncs and mends what was written: the idle moment, now. */
  async tidy(): Promise<void> {
    await this.#tidyDirty();
    await this.settled();
  }

  background(job: Promise<void>): void {
    const tracked: Promise<void> = job
      .catch(() => undefined)
      .finally(() => {
        this.#jobs.delete(tracked);
      });
    this.#jobs.add(tracked);
  }

  dirtied(unit: Tidied): void {
    this.#dirty.add(unit);
    if (this.#closed) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.background(this.#tidyDirty()), this.#parts.options.idleMs).unref();
  }

  mayFill(): boolean {
    // Nobody writes while it is full, so this is where it is found out that it no longer is.
    if (this.#full && Math.abs(this.now() - (this.#surveyedAt ?? 0)) > FULL_MS) this.#survey();
    return !this.#full && !this.#closed;
  }

  trouble(code: string): void {
    const last = this.#troubleAt;
    if (last !== undefined && Math.abs(this.now() - last) < TROUBLE_MS) return;
    this.#troubleAt = this.now();
    this.#parts.options.log(`cache: the disk takes no more (${code}); going on in memory`);
    this.#survey();
  }

  wrote(bytes: number): void {
    this.#usage += bytes;
    this.#writtenSince += bytes;
    const since = this.#surveyedAt === undefined ? Infinity : Math.abs(this.now() - this.#surveyedAt);
    const slack = Math.min(64 * 1024 * 1024, this.#parts.options.limitBytes / 16);
    const over = this.#usage > this.#parts.options.limitBytes;
    if (since > SURVEY_MS || (over && this.#writtenSince > 0) || this.#writtenSince > slack * 16) this.#survey();
  }

  used(entry: Entry): void {
    const now = this.now();
    const last = this.#touched.get(entry);
    if (last !== undefined && Math.abs(now - last) < TOUCH_MS) return;
    this.#touched.set(entry, now);
    const body = this.#bodies.get(entry);
    for (const unit of body?.units() ?? []) this.background(unit.touch(now));
  }

  async closed(entry: Entry): Promise<void> {
    this.#entries.delete(entry.key);
    this.#touched.delete(entry);
    const done = entry.settle().finally(() => {
      for (const unit of this.#bodies.get(entry)?.units() ?? []) this.#dirty.delete(unit);
      this.#bodies.delete(entry);
    });
    this.background(done);
  }

  #enter(
    key: string,
    content: { readonly id: string; readonly size: number },
    body: (entry: Entry) => DiskBody | ForeignBody | undefined,
  ): CacheEntry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known.reopen();
    const memory = this.#memory.pagesOf(content.size);
    const entry = new Entry(content.id, { key, size: content.size, memory, host: this });
    const made = body(entry);
    if (made !== undefined) entry.attachBody(made);
    this.#entries.set(key, entry);
    return entry;
  }

  #segmentBytes(size: number): number | undefined {
    const { limitBytes, segmentBytes = SEGMENT_BYTES } = this.#parts.options;
    return size > limitBytes * SEGMENTED_FROM && size > segmentBytes ? segmentBytes : undefined;
  }

  #openUnits(): Map<string, OpenUnit> {
    const open = new Map<string, OpenUnit>();
    for (const body of this.#bodies.values())
      for (const unit of body.units()) open.set(unit.directory, { unit, segmented: body.isSegmented });
    return open;
  }

  /** One after the other: nobody waits for it. Stops when the cache closes, which syncs what is worth it. */
  async #tidyDirty(): Promise<void> {
    for (const unit of [...this.#dirty]) {
      if (this.#closed) return;
      this.#dirty.delete(unit);
      await unit.tidy();
    }
  }

  #survey(): void {
    if (this.#surveying !== undefined || this.#closed) return;
    this.#surveying = this.#measureAndEvict().finally(() => {
      this.#surveying = undefined;
    });
    this.background(this.#surveying);
  }

  /** Measures what the cache takes, evicts down to the budget, and decides whether filling may go on. */
  async #measureAndEvict(): Promise<void> {
    const { place, options, files } = this.#parts;
    if (place === undefined) return;
    this.#surveyedAt = this.now();
    this.#writtenSince = 0;
    const limit = options.limitBytes;
    const units = await surveyUnits(place.root);
    const open = this.#openUnits();
    let plan = planEviction(units, { limit, keep: (directory) => open.has(directory) });
    if (plan.bytesAfter > limit) {
      // What is open stays, but for segments of large contents that nobody asks for at present.
      const idle = new Set(
        units.filter((unit) => this.#isIdleSegment(unit.directory, open)).map((unit) => unit.directory),
      );
      plan = planEviction(units, { limit, keep: (directory) => open.has(directory) && !idle.has(directory) });
    }
    for (const unit of plan.evict) open.get(unit.directory)?.unit.discard();
    await evictUnits(
      place.root,
      plan.evict.filter((unit) => !open.has(unit.directory)),
    );
    this.#usage = plan.bytesAfter;
    const facts = await files.facts(place.root);
    const short = facts.freeBytes < Math.max(options.freeSpace.bytes, facts.totalBytes * options.freeSpace.ratio);
    const full = short || plan.bytesAfter > limit;
    if (full && !this.#full && !this.#closed)
      options.log(`cache: ${short ? "the disk is nearly full" : "what is open fills the budget"}; going on in memory`);
    this.#full = full;
  }

  #isIdleSegment(directory: string, open: ReadonlyMap<string, OpenUnit>): boolean {
    const found = open.get(directory);
    return found?.segmented === true && Math.abs(this.now() - found.unit.usedAt) > SEGMENT_IDLE_MS;
  }
}

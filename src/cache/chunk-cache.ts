import { promises as fsp } from "node:fs";
import { Arena } from "./arena.ts";
import { bootTag } from "./extent-log.ts";
import { evictUnits, surveyUnits, sweepTrash } from "./budget.ts";
import type { Cache, CacheEntry, CacheOptions, CacheStatus, WarmHandle } from "./cache.ts";
import { Descriptors } from "./descriptors.ts";
import { contentDirectory, type CachePlace } from "./directory.ts";
import { DiskBody } from "./disk-body.ts";
import { Entry, type EntryHost } from "./entry.ts";
import type { CacheFiles } from "./files.ts";
import { Filling, openContents } from "./filling.ts";
import { ForeignBody } from "./foreign-body.ts";
import { HashThread } from "./hash-thread.ts";
import { MemoryStore } from "./memory-pages.ts";
import { Quarantine } from "./quarantine.ts";
import { leadsInside } from "./trust.ts";
import type { Tidied, UnitHost } from "./unit-life.ts";

/** A segment is what eviction takes at once; with the leaf of a bitmap it has 256 MiB in common. */
const SEGMENT_BYTES = 256 * 1024 * 1024;
/** A content over this part of the budget is cut into segments. */
const SEGMENTED_FROM = 1 / 4;
/** Between two lines about the same trouble. */
const TROUBLE_MS = 60_000;
/** A `used` file is touched no more often. */
const TOUCH_MS = 60_000;

export interface ChunkCacheParts {
  readonly place: CachePlace | undefined;
  readonly files: CacheFiles;
  readonly bootId: string | undefined;
  readonly options: Required<
    Pick<CacheOptions, "limitBytes" | "memoryBytes" | "maxOpenFiles" | "freeSpace" | "now" | "log" | "idleMs">
  > &
    Pick<CacheOptions, "directory" | "segmentBytes" | "arenaBytes">;
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
  readonly #filling: Filling | undefined;
  readonly #touched = new Map<Entry, number>();
  readonly #jobs = new Set<Promise<void>>();
  readonly #dirty = new Set<Tidied>();
  #idle: NodeJS.Timeout | undefined;
  #troubleAt: number | undefined;
  #closed = false;

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
    if (parts.place === undefined) return;
    this.#filling = new Filling(parts.place.root, {
      ...options,
      files: this.files,
      open: () => openContents(this.#bodies.values()),
      jobs: this,
    });
    this.background(sweepTrash(parts.place.root, this.now()));
  }

  get trash(): string {
    return `${this.#parts.place?.root ?? ""}/trash`;
  }

  get warm(): WarmHandle {
    return { buffer: this.#arena.buffer };
  }

  open(id: string, size: number): CacheEntry {
    const root = this.#parts.place?.root;
    const place = root === undefined ? undefined : contentDirectory(root, id);
    // What lies behind a link that someone put there is kept in memory instead.
    const directory = root !== undefined && place !== undefined && leadsInside(root, place) ? place : undefined;
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
    const units = await surveyUnits(place.root);
    const { isOpen } = openContents(this.#bodies.values());
    return {
      freedBytes: await evictUnits(
        place.root,
        units.filter((unit) => !isOpen(unit.directory)),
      ),
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#idle);
    for (const entry of this.#entries.values()) entry.end();
    await this.settled();
    await this.hashing.close();
    await this.#filling?.end();
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
    return !this.#closed && this.#filling?.mayFill() === true;
  }

  trouble(code: string): void {
    const last = this.#troubleAt;
    if (last !== undefined && Math.abs(this.now() - last) < TROUBLE_MS) return;
    this.#troubleAt = this.now();
    this.#parts.options.log(`cache: the disk takes no more (${code}); going on in memory`);
    this.#filling?.survey();
  }

  wrote(bytes: number): void {
    this.#filling?.wrote(bytes);
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

  /** One after the other: nobody waits for it. Stops when the cache closes, which syncs what is worth it. */
  async #tidyDirty(): Promise<void> {
    for (const unit of Array.from(this.#dirty)) {
      if (this.#closed) return;
      this.#dirty.delete(unit);
      await unit.tidy();
    }
  }
}

import { clip, rangeLength, type ByteRange } from "../bytes/range.ts";
import type { RangeSource } from "../bytes/source.ts";
import type { CacheEntry } from "../cache/cache.ts";
import type { CachedSource } from "../fetch/cached-source.ts";
import { RiffleError } from "../errors.ts";
import { HEAD_BYTES } from "../formats/first-bytes.ts";
import type { ExtentTable } from "../formats/extents.ts";
import { FORMATS, type Format, type FormatHint, type Probe } from "../formats/formats.ts";
import { unitFormat, type ExtentTables } from "./extent-tables.ts";

export interface ContentExtentsParts {
  readonly source: CachedSource;
  readonly entry: CacheEntry;
  readonly tables: ExtentTables;
}

/** Less of a file's start or end than this may not show its magic. */
const MIN_MAGIC_BYTES = 8;
const NOTHING = new Uint8Array(0);

export interface AheadOptions {
  /** Whether so many bytes more may be read. */
  readonly take: (bytes: number) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Gives a content the units of its format. By name or media type when it is first named, by magic when a first read happens to
 * show it. Nothing waits for it and nothing fails because of it.
 */
export class ContentExtents {
  readonly #parts: ContentExtentsParts;
  readonly #controller = new AbortController();
  #isNamed = false;
  #isSettled = false;

  constructor(parts: ContentExtentsParts) {
    this.#parts = parts;
  }

  /** Whether nobody has named it yet. */
  get isUnnamed(): boolean {
    return !this.#isNamed && !this.#isSettled;
  }

  named(hint: FormatHint): void {
    if (!this.isUnnamed) return;
    this.#isNamed = true;
    const { entry } = this.#parts;
    if (entry.heldBytes === entry.size) return this.#settle();
    const format = unitFormat(hint);
    if (format !== undefined) this.#use(format);
  }

  /** Reads what its format reads first, behind all readers, so that the first opening finds it. */
  async readAhead(hint: FormatHint, { take, signal }: AheadOptions): Promise<void> {
    const { source, entry, tables } = this.#parts;
    const format = unitFormat(hint);
    if (format === undefined || entry.heldBytes === entry.size) return;
    const bytes = format.firstBytes ?? HEAD_BYTES;
    const start = format.index === "head" ? 0 : Math.max(0, source.size - bytes);
    if (!take(bytes)) return;
    await source.read({ start, end: start + bytes }, { priority: "prefetch", signal });
    await tables.of(behindAll(source, take), { format, signal });
  }

  /** A read was answered. */
  seen(range: ByteRange, bytes: Uint8Array): void {
    if (this.#isSettled || bytes.length < MIN_MAGIC_BYTES) return;
    const { size } = this.#parts.entry;
    const isTail = range.end >= size;
    if (range.start > 0 && !isTail) return;
    const probe: Probe = { head: range.start === 0 ? bytes : NOTHING, tail: isTail ? bytes : NOTHING, size };
    const format = FORMATS.find((each) => each.load !== undefined && isLike(each, probe));
    if (format !== undefined) this.#use(format);
  }

  close(): void {
    this.#isSettled = true;
    this.#controller.abort();
  }

  #settle(): void {
    this.#isSettled = true;
  }

  #use(format: Format): void {
    this.#settle();
    const { source, tables } = this.#parts;
    const { signal } = this.#controller;
    const bytes = tables.has(source.id) ? undefined : format.firstBytes;
    if (bytes !== undefined) {
      // Asked for before the module is loaded, so that the program's own first read waits for the same request.
      const start = format.index === "head" ? 0 : Math.max(0, source.size - bytes);
      void source.read({ start, end: start + bytes }, { priority: "metadata", signal }).catch(() => undefined);
    }
    const use = (table: ExtentTable | undefined): void => {
      if (table !== undefined && !signal.aborted) source.useExtents(table);
    };
    void tables.of(source, { format, signal, early: use }).then(use);
  }
}

/** The source for those whom nobody waits for, while `take` allows it. */
function behindAll(source: RangeSource, take: (bytes: number) => boolean): RangeSource {
  const admit = (ranges: readonly ByteRange[]): void => {
    const bytes = ranges.reduce((sum, range) => sum + rangeLength(clip(range, source.size)), 0);
    if (!take(bytes)) throw new RiffleError("aborted", "enough was read ahead");
  };
  return {
    id: source.id,
    size: source.size,
    read: async (range, options) => {
      admit([range]);
      return source.read(range, { ...options, priority: "prefetch" });
    },
    readMany: async (ranges, options) => {
      admit(ranges);
      return source.readMany(ranges, { ...options, priority: "prefetch" });
    },
  };
}

/** Whether the end that the index lies at was seen and shows the magic; the other end may be unknown. */
function isLike({ index, matches }: Format, probe: Probe): boolean {
  return probe[index].length > 0 && matches?.(probe) === true;
}

import type { ByteRange } from "../bytes/range.ts";
import type { CacheEntry } from "../cache/cache.ts";
import type { CachedSource } from "../fetch/cached-source.ts";
import { likelyFormats } from "../formats/detect.ts";
import { FORMATS, type Format, type FormatHint, type Probe } from "../formats/formats.ts";
import type { ExtentTables } from "./extent-tables.ts";

export interface ContentExtentsParts {
  readonly source: CachedSource;
  readonly entry: CacheEntry;
  readonly tables: ExtentTables;
}

/** Less of a file's start or end than this may not show its magic. */
const MIN_MAGIC_BYTES = 8;
const NOTHING = new Uint8Array(0);
/** What modules read first of an index at that end (`HEAD_BYTES` of TIFF, `TAIL_BYTES` of Parquet). */
const FIRST_READ_BYTES: Readonly<Record<Format["index"], number>> = { head: 16 * 1024, tail: 64 * 1024 };

/**
 * Gives a content the units of its format. By name or media type when it is first named, by magic when a first read happens to
 * show it. Nothing waits for it and nothing fails because of it.
 */
export class ContentExtents {
  readonly #parts: ContentExtentsParts;
  readonly #controller = new AbortController();
  #isSettled = false;

  constructor(parts: ContentExtentsParts) {
    this.#parts = parts;
  }

  named(hint: FormatHint): void {
    if (this.#isSettled) return;
    const { entry } = this.#parts;
    if (entry.heldBytes === entry.size) return this.#settle();
    for (const format of likelyFormats(hint)) if (format.load !== undefined) return this.#use(format);
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
    if (!tables.has(source.id)) {
      // Asked for before the module is loaded, so that the program's own first read waits for the same request.
      const bytes = FIRST_READ_BYTES[format.index];
      const start = format.index === "head" ? 0 : Math.max(0, source.size - bytes);
      void source.read({ start, end: start + bytes }, { priority: "metadata", signal }).catch(() => undefined);
    }
    void tables.of(source, { format, signal }).then((table) => {
      if (table !== undefined && !signal.aborted) source.useExtents(table);
    });
  }
}

function isLike({ index, matches, mayEnd }: Format, probe: Probe): boolean {
  if (index === "head") return probe.head.length > 0 && matches?.(probe) === true;
  return probe.tail.length > 0 && mayEnd?.(probe.tail) === true;
}

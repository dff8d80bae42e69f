import { LRUCache } from "lru-cache";
import { clip, rangeLength } from "../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../bytes/source.ts";
import { RiffleError } from "../errors.ts";
import { NO_EXTENTS, type ExtentTable } from "../formats/extents.ts";
import { likelyFormats } from "../formats/detect.ts";
import type { Format, FormatHint } from "../formats/formats.ts";
import { ExtentsThread } from "./extents-thread.ts";

export interface ExtentTablesOptions {
  readonly log: (message: string) => void;
}

export interface TableRequest {
  readonly format: Format;
  readonly signal: AbortSignal;
  /** Called with what is known of the units while the rest of their index is on its way. */
  readonly early?: (table: ExtentTable) => void;
}

/** All tables of an artifact: a few hundred large files, at 24 bytes a unit. */
const MAX_TABLE_BYTES = 64 * 1024 * 1024;
/** Of a content without units: a name and a nothing. */
const EMPTY_BYTES = 256;
/** A larger index is not worth what it costs before the first unit is read. */
const MAX_INDEX_BYTES = 16 * 1024 * 1024;
/** Files of an artifact that are looked at by name when it is mounted. */
const MAX_WARM_HINTS = 1000;
/** Dependent reads of an index: a chain of directories. What needs more is known too late. */
const MAX_INDEX_READS = 16;
/** An index that is parsed at once: some 20 ms of the thread that all misses go through. A larger one goes to a thread. */
const LIGHT_INDEX_BYTES = 256 * 1024;

/** The units of contents, each read from its index once and remembered within bounds. */
export class ExtentTables {
  readonly #options: ExtentTablesOptions;
  readonly #tables = new LRUCache<string, ExtentTable>({
    maxSize: MAX_TABLE_BYTES,
    sizeCalculation: (table) => EMPTY_BYTES + table.count * 24 + table.wholes.length * 64,
  });
  readonly #thread = new ExtentsThread();

  constructor(options: ExtentTablesOptions) {
    this.#options = options;
  }

  /** Loads what the formats of these files take, so that their first opening does not wait for it. Looks at a thousand. */
  warm(hints: Iterable<FormatHint>): void {
    const formats = new Set<Format>();
    let seen = 0;
    for (const hint of hints) {
      const format = unitFormat(hint);
      if (format !== undefined) formats.add(format);
      if ((seen += 1) >= MAX_WARM_HINTS) break;
    }
    for (const format of formats) void format.load?.().catch(() => undefined);
  }

  /** Whether an answer is known without reading. */
  has(id: string): boolean {
    return this.#tables.has(id);
  }

  /** Undefined when the content is not of the format, or has no units that can be had cheaply. Never rejects. */
  async of(source: RangeSource, options: TableRequest): Promise<ExtentTable | undefined> {
    const known = this.#tables.get(source.id);
    if (known !== undefined) return known.count > 0 ? known : undefined;
    try {
      const table = await this.#load(source, options);
      this.#tables.set(source.id, table);
      this.#options.log(`${table.count} units of ${source.id} are known (${options.format.title})`);
      return table.count > 0 ? table : undefined;
    } catch (error) {
      // What is malformed stays so; what failed on the way may be tried at the next opening.
      if (error instanceof RiffleError && error.code === "malformed") this.#tables.set(source.id, NO_EXTENTS);
      const says = error instanceof Error ? error.message : String(error);
      this.#options.log(`the units of ${source.id} are not known: ${says}`);
      return undefined;
    }
  }

  async #load(source: RangeSource, { format, signal, early }: TableRequest): Promise<ExtentTable> {
    const module = await format.load?.();
    if (module?.extents === undefined) return NO_EXTENTS;
    const light = lightSource(source);
    try {
      const how = { maxBytes: MAX_INDEX_BYTES, priority: "metadata" as const, signal };
      return await module.extents(light.source, { ...how, ...(early && { early }) });
    } catch (error) {
      if (!light.isHeavy()) throw error;
      return this.#thread.extents(source, { format: format.name, maxBytes: MAX_INDEX_BYTES, signal });
    }
  }
}

/** The format that name or media type point at, where it can have units: what has no magic (CSV) has no index either. */
export function unitFormat(hint: FormatHint): Format | undefined {
  return likelyFormats(hint).find((each) => each.load !== undefined && each.matches !== undefined);
}

/** The source, up to the bytes of a light index; from then on reads reject. */
function lightSource(source: RangeSource): { readonly source: RangeSource; readonly isHeavy: () => boolean } {
  let bytes = 0;
  let reads = 0;
  const take = (asked: number): void => {
    bytes += asked;
    reads += 1;
    if (reads > MAX_INDEX_READS)
      throw new RiffleError("malformed", `its index takes more than ${MAX_INDEX_READS} reads`);
    if (bytes > LIGHT_INDEX_BYTES) throw new RiffleError("aborted", "the index is large");
  };
  return {
    isHeavy: () => bytes > LIGHT_INDEX_BYTES,
    source: {
      id: source.id,
      size: source.size,
      read: async (range, options) => {
        take(rangeLength(clip(range, source.size)));
        return source.read(range, metadata(options));
      },
      readMany: async (ranges, options) => {
        take(ranges.reduce((sum, range) => sum + rangeLength(clip(range, source.size)), 0));
        return source.readMany(ranges, metadata(options));
      },
    },
  };
}

function metadata(options: ReadOptions | undefined): ReadOptions {
  return { ...options, priority: "metadata" };
}

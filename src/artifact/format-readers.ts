import { withOneListener } from "../bytes/one-listener.ts";
import { checkRange, type RangeSource } from "../bytes/source.ts";
import { abortError, isRiffleError } from "../errors.ts";
import type { CostModel } from "../fetch/cost.ts";
import { DEFAULT_PER_BLOB } from "../fetch/cached-source.ts";
import { requestsFor } from "../fetch/planner.ts";
import type { ArrayReader } from "../formats/array.ts";
import type { FormatOptions, FormatReader } from "../formats/format.ts";
import {
  openArray,
  openRaster,
  openTable,
  openTiles,
  type FormatTarget,
  type OpenFormatOptions,
} from "../formats/open.ts";
import type { SharedThreads } from "../formats/shared-threads.ts";
import type { RasterReader } from "../formats/raster.ts";
import type { TableReader } from "../formats/table.ts";
import type { TileReader } from "../formats/tiles.ts";
import type { TreePlan } from "../layers/plain-layers.ts";
import { isDirectory, isFile, pathOf, resolvePath, walk } from "../layers/tree-paths.ts";
import type { Row, TreeTable } from "../layers/tree.ts";
import { formatFile, type FormatFile, type FormatTree, type PlannedSource } from "./format-files.ts";
import type { Served } from "./served.ts";

/** What an artifact's files mean. Each reads the index of the file alone; `scan` reads the rest. */
export interface FormatReaders {
  /** A file, a directory whose files are one table (`year=2024/month=01/x.parquet`), or a pattern (`data/*.parquet`). */
  table(path: string, options?: FormatOptions): Promise<TableReader>;
  raster(path: string, options?: FormatOptions): Promise<RasterReader>;
  /** A file, or a directory that is one store (Zarr). */
  array(path: string, options?: FormatOptions): Promise<ArrayReader>;
  /** The tiles of an archive of them (PMTiles). Rejects with `usage` for what is none. */
  tiles(path: string, options?: FormatOptions): Promise<TileReader>;
  /** The bytes behind a path as `openTable` and the others take them, with nothing guessed or read ahead. No I/O. */
  formatFile(path: string, options?: FormatOptions): FormatFile;
}

export type { FormatFile } from "./format-files.ts";

export interface FormatReaderParts {
  readonly reference: string;
  readonly tree: TreeTable;
  readonly plan: TreePlan;
  readonly served: Served;
  /** What the requests of this artifact are merged by. */
  readonly cost: CostModel;
  readonly nextHandle: () => number;
  readonly threads: SharedThreads;
}

export function formatReaders(parts: FormatReaderParts): FormatReaders {
  const tree = formatTree(parts);
  const file = (path: string, options?: FormatOptions): FormatFile => formatFile(tree, path, options);
  const held = async <Metadata, Query, Batch>(
    path: string,
    given: FormatOptions | undefined,
    open: (target: FormatTarget, options: OpenFormatOptions) => Promise<FormatReader<Metadata, Query, Batch>>,
  ): Promise<FormatReader<Metadata, Query, Batch>> => {
    const opened = file(path, given);
    try {
      return closing(await open(opened.target, opened.options), () => opened.close());
    } catch (error) {
      opened.close();
      throw error;
    }
  };
  return {
    formatFile: file,
    table: (path, options) => held(path, options, openTable),
    raster: (path, options) => held(path, options, openRaster),
    array: (path, options) => held(path, options, openArray),
    tiles: (path, options) => held(path, options, openTiles),
  };
}

/** A reader that lets go of its file when it is closed, and ends with an error of ours when its caller's signal ends it. */
function closing<Metadata, Query, Batch>(
  reader: FormatReader<Metadata, Query, Batch>,
  release: () => void,
): FormatReader<Metadata, Query, Batch> {
  const close = async (): Promise<void> => {
    try {
      await reader.close();
    } finally {
      release();
    }
  };
  return {
    metadata: reader.metadata,
    extents: () => reader.extents(),
    plan: async (query, options) => {
      try {
        return await reader.plan(query, options);
      } catch (error) {
        throw ended(error, options?.signal);
      }
    },
    scan: async function* (query, options) {
      try {
        yield* reader.scan(query, options);
      } catch (error) {
        throw ended(error, options?.signal);
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What a platform's call throws for a signal is not ours, and may be anything. */
function ended(error: unknown, signal: AbortSignal | undefined): unknown {
  return signal?.aborted === true && !isRiffleError(error) ? abortError(signal) : error;
}

function formatTree(parts: FormatReaderParts): FormatTree {
  const { reference, tree, plan, cost } = parts;
  return {
    reference,
    threads: parts.threads,
    kind: (path) => {
      const row = resolvePath(tree, path);
      if (row === undefined) return undefined;
      return isDirectory(tree, row) ? "directory" : isFile(tree, row) ? "file" : "symlink";
    },
    files: (directory) => {
      const top = resolvePath(tree, directory);
      return top === undefined ? [] : [...filesBelow(tree, top)];
    },
    source: (path) => plannedSource(parts, path),
    mediaType: (path) => {
      const row = resolvePath(tree, path);
      const source = row === undefined ? undefined : plan.sources[tree.source(row)];
      const layer = source === undefined || source.kind === "live" ? undefined : source.descriptor;
      return row !== undefined && layer?.size === tree.size(row) ? layer.mediaType : undefined;
    },
    // What may be unwanted comes over connections of its own: less than half of its time is waited for.
    roundTripBytes: () => 2 * cost.gapBytes(),
    merge: (ranges, size) => requestsFor(ranges, { size, gapBytes: cost.gapBytes(), idle: DEFAULT_PER_BLOB }),
  };
}

function* filesBelow(tree: TreeTable, top: Row): Generator<string> {
  for (const row of walk(tree, top)) if (isFile(tree, row)) yield pathOf(tree, row);
}

function plannedSource({ tree, plan, served, nextHandle }: FormatReaderParts, path: string): PlannedSource {
  const row = resolvePath(tree, path) ?? tree.root;
  const source = plan.sources[tree.source(row)];
  const digest = source === undefined || source.kind === "live" ? undefined : source.descriptor?.digest;
  // The open file keeps what was read within reach, also where there is no disk to keep it.
  let handle: number | undefined;
  const opened = (): number => {
    if (handle !== undefined) return handle;
    handle = nextHandle();
    served.open(row, handle, { isPlanned: true });
    return handle;
  };
  const read: RangeSource["read"] = async (range, { signal, priority } = {}) => {
    checkRange(range);
    return served.read(row, range, {
      handle: opened(),
      isPlanned: true,
      ...(signal === undefined ? {} : { signal }),
      ...(priority === undefined ? {} : { priority }),
    });
  };
  return {
    id: `${digest ?? ""}/${pathOf(tree, row)}`,
    size: served.liveSize(row),
    read,
    readMany: (ranges, options) =>
      withOneListener(options, (how) => Promise.all(ranges.map((range) => read(range, how)))),
    release: () => {
      if (handle !== undefined) served.release(row, handle);
      handle = undefined;
    },
  };
}

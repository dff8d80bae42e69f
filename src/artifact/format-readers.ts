import type { ByteRange } from "../bytes/range.ts";
import { checkRange, type RangeSource } from "../bytes/source.ts";
import type { CostModel } from "../fetch/cost.ts";
import { DEFAULT_PER_BLOB } from "../fetch/cached-source.ts";
import { requestsFor } from "../fetch/planner.ts";
import type { ArrayReader } from "../formats/array.ts";
import type { FormatOptions } from "../formats/format.ts";
import { openArray, openRaster, openTable } from "../formats/open.ts";
import type { RasterReader } from "../formats/raster.ts";
import type { TableReader } from "../formats/table.ts";
import type { TreePlan } from "../layers/plain-layers.ts";
import { isDirectory, isFile, pathOf, resolvePath, walk } from "../layers/tree-paths.ts";
import type { Row, TreeTable } from "../layers/tree.ts";
import { formatFile, type FormatFile, type FormatTree } from "./format-files.ts";
import type { Served } from "./served.ts";

/** What an artifact's files mean. Each reads the index of the file alone; `scan` reads the rest. */
export interface FormatReaders {
  /** A file, a directory whose files are one table (`year=2024/month=01/x.parquet`), or a pattern (`data/*.parquet`). */
  table(path: string, options?: FormatOptions): Promise<TableReader>;
  raster(path: string, options?: FormatOptions): Promise<RasterReader>;
  /** A file, or a directory that is one store (Zarr). */
  array(path: string, options?: FormatOptions): Promise<ArrayReader>;
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
}

export function formatReaders(parts: FormatReaderParts): FormatReaders {
  const tree = formatTree(parts);
  const file = (path: string, options?: FormatOptions): FormatFile => formatFile(tree, path, options);
  return {
    formatFile: file,
    table: async (path, given) => {
      const { target, options } = file(path, given);
      return openTable(target, options);
    },
    raster: async (path, given) => {
      const { target, options } = file(path, given);
      return openRaster(target, options);
    },
    array: async (path, given) => {
      const { target, options } = file(path, given);
      return openArray(target, options);
    },
  };
}

function formatTree(parts: FormatReaderParts): FormatTree {
  const { reference, tree, plan, cost } = parts;
  return {
    reference,
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
    merge: (ranges, size) => requestsFor(ranges, { size, gapBytes: cost.gapBytes(), idle: DEFAULT_PER_BLOB }),
  };
}

function* filesBelow(tree: TreeTable, top: Row): Generator<string> {
  for (const row of walk(tree, top)) if (isFile(tree, row)) yield pathOf(tree, row);
}

function plannedSource({ tree, plan, served, nextHandle }: FormatReaderParts, path: string): RangeSource {
  const row = resolvePath(tree, path) ?? tree.root;
  const source = plan.sources[tree.source(row)];
  const digest = source === undefined || source.kind === "live" ? "" : source.descriptor?.digest;
  const handle = nextHandle();
  const read: RangeSource["read"] = (range: ByteRange, options) => {
    checkRange(range);
    const { signal, priority } = options ?? {};
    return served.read(row, range, {
      handle,
      isPlanned: true,
      ...(signal === undefined ? {} : { signal }),
      ...(priority === undefined ? {} : { priority }),
    });
  };
  return {
    id: `${digest ?? ""}/${pathOf(tree, row)}`,
    size: served.liveSize(row),
    read,
    readMany: (ranges, options) => Promise.all(ranges.map((range) => read(range, options))),
  };
}

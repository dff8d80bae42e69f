import type { RangeSource } from "../bytes/source.ts";
import { RiffleError } from "../errors.ts";
import type { ArrayReader } from "./array.ts";
import { detectDirectory, detectFormat, likelyFormats } from "./detect.ts";
import type { FileSet, FormatName, FormatOptions } from "./format.ts";
import type { FormatModule } from "./format-module.ts";
import type { Format, FormatHint } from "./formats.ts";
import type { RasterReader } from "./raster.ts";
import type { TableReader } from "./table.ts";
import type { TileReader } from "./tiles.ts";

/** One file, or files below one directory. */
export type FormatTarget = RangeSource | FileSet;

export interface OpenFormatOptions extends FormatOptions {
  /** What is said of the file; its name is used in messages too. */
  readonly hint?: FormatHint;
}

type Kind = "table" | "raster" | "array" | "tiles";

/** For people: what to do with a file that has another reader. */
const KINDS: Readonly<Record<Kind, string>> = {
  table: "a table",
  raster: "a raster",
  array: "arrays",
  tiles: "an archive of tiles",
};

export function isFileSet(target: FormatTarget): target is FileSet {
  return "paths" in target;
}

/**
 * The rows and columns of a file, or of many files as one table. Reads the index alone. Rejects with `usage` when the
 * content has another kind of reader, `unsupported` when it has none.
 */
export async function openTable(target: FormatTarget, options: OpenFormatOptions = {}): Promise<TableReader> {
  if (isFileSet(target)) return tableOfFiles(target, options);
  const { format, module } = await moduleOf(target, options);
  return module.table === undefined ? refuse("table", { format, module, options }) : module.table(target, options);
}

/** The pixels of a file; like `openTable`. */
export async function openRaster(target: FormatTarget, options: OpenFormatOptions = {}): Promise<RasterReader> {
  if (isFileSet(target)) throw oneFile("raster", options);
  const { format, module } = await moduleOf(target, options);
  return module.raster === undefined ? refuse("raster", { format, module, options }) : module.raster(target, options);
}

/** The arrays of a file, or of a directory that is one store; like `openTable`. */
export async function openArray(target: FormatTarget, options: OpenFormatOptions = {}): Promise<ArrayReader> {
  if (isFileSet(target)) return arraysOfFiles(target, options);
  const { format, module } = await moduleOf(target, options);
  return module.array === undefined ? refuse("array", { format, module, options }) : module.array(target, options);
}

/** The tiles of an archive of them (PMTiles); like `openTable`. */
export async function openTiles(target: FormatTarget, options: OpenFormatOptions = {}): Promise<TileReader> {
  if (isFileSet(target)) throw oneFile("tiles", options);
  const { format, module } = await moduleOf(target, options);
  return module.tiles === undefined ? refuse("tiles", { format, module, options }) : module.tiles(target, options);
}

interface Found {
  readonly format: Format;
  readonly module: FormatModule;
}

async function moduleOf(source: RangeSource, options: OpenFormatOptions): Promise<Found> {
  const format = await detectFormat(source, options.hint, options);
  if (format === undefined) {
    throw new RiffleError("unsupported", `${nameOf(options)} is of no format that riffle knows`, {
      facts: { id: source.id },
    });
  }
  const module = await format.load?.();
  if (module !== undefined) return { format, module };
  throw new RiffleError("unsupported", `${nameOf(options)} is ${format.title}, of which riffle has no reader`, {
    facts: { format: format.name },
  });
}

async function tableOfFiles(files: FileSet, options: OpenFormatOptions): Promise<TableReader> {
  const store = detectDirectory(files);
  if (store !== undefined) {
    throw new RiffleError("usage", `${nameOf(options)} is ${store.title}, which is not a table`, {
      hint: "riffle array reads it",
      facts: { format: store.name, wanted: "table" },
    });
  }
  const { datasetReader } = await import("./dataset/dataset-reader.ts");
  const { hint: _, ...how } = options;
  return datasetReader(files, {
    ...how,
    matches: memberTest(files),
    open: (path, source) => openTable(source, { ...how, hint: { name: path } }),
  });
}

const TABULAR: ReadonlySet<FormatName> = new Set(["parquet", "arrow", "flatgeobuf", "csv", "ndjson"]);

/**
 * Which files are rows of a table: those that are named like one, and all where none is. What begins with `_` or `.` is a
 * note of the program that wrote the directory (`_SUCCESS`, `.part-0.crc`; the convention of Hadoop).
 */
function memberTest({ paths }: FileSet): (path: string) => boolean {
  const isNote = (path: string): boolean =>
    path.split("/").some((name) => name.startsWith(".") || (name.startsWith("_") && !name.includes("=")));
  const isNamed = (path: string): boolean => likelyFormats({ name: path }).some(({ name }) => TABULAR.has(name));
  const some = paths.some((path) => isNamed(path) && !isNote(path));
  return (path) => !isNote(path) && (!some || isNamed(path));
}

async function arraysOfFiles(files: FileSet, options: OpenFormatOptions): Promise<ArrayReader> {
  const format = detectDirectory(files);
  if (format === undefined) {
    throw new RiffleError("usage", `${nameOf(options)} is a directory, and no Zarr store`, {
      hint: "name a file in it",
      facts: { wanted: "array" },
    });
  }
  const module = await format.loadDirectory?.();
  if (module !== undefined) return module.array(files, options);
  throw new RiffleError("unsupported", `${nameOf(options)} is ${format.title}, of which riffle has no reader`, {
    facts: { format: format.name },
  });
}

function refuse(wanted: Kind, found: Found & { readonly options: OpenFormatOptions }): never {
  const { format, module, options } = found;
  const others = (["table", "raster", "array"] as const).filter((kind) => module[kind] !== undefined);
  const what = `${nameOf(options)} is ${format.title}, which is not ${KINDS[wanted]}`;
  const facts = { format: format.name, wanted };
  if (module.tiles !== undefined) {
    throw new RiffleError("usage", what, { hint: "riffle raster --tile Z/X/Y gives one of its tiles", facts });
  }
  if (others.length === 0) {
    throw new RiffleError("unsupported", what, { hint: "riffle info tells what is known of it", facts });
  }
  throw new RiffleError("usage", what, { hint: `riffle ${others.join(" or riffle ")} reads it`, facts });
}

function oneFile(wanted: Kind, options: OpenFormatOptions): RiffleError {
  return new RiffleError("usage", `${nameOf(options)} is a directory, which is not ${KINDS[wanted]}`, {
    hint: "name a file in it",
    facts: { wanted },
  });
}

function nameOf({ hint }: OpenFormatOptions): string {
  const name = hint?.name ?? "the file";
  return name === "" ? "/" : name;
}

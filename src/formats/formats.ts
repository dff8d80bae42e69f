import { HEAD_BYTES, TAIL_BYTES } from "./first-bytes.ts";
import type { FormatName } from "./format.ts";
import type { DirectoryFormatModule, FormatModule } from "./format-module.ts";
import {
  endsWith,
  gribStart,
  isHdf5,
  isJsonLines,
  isSafetensors,
  isText,
  isZarrDocument,
  startsWith,
  type Probe,
} from "./magic.ts";
import { hidesNames, isZip, zipNames } from "./zip/probe.ts";

export type { Probe } from "./magic.ts";

/** What an artifact says of a file. It is only believed where the content does not contradict it. */
export interface FormatHint {
  readonly name?: string;
  readonly mediaType?: string;
}

/** One row of the table of formats. */
export interface Format {
  readonly name: FormatName;
  readonly title: string;
  /** Where its index lies: that end is read first when a hint points at this format, and must show its magic. */
  readonly index: "head" | "tail";
  /** What its reader, and most programs, read first of that end: worth asking for before anything else is known. */
  readonly firstBytes?: number;
  /** Whether the content is of this format, by magic; undefined where no bytes tell (CSV). An end may not have been read. */
  readonly matches?: (probe: Probe) => boolean;
  /** Whether the content does not contradict a hint: for formats without magic, and for zips that are too long to be told. */
  readonly allows?: (probe: Probe) => boolean;
  /** Lower case, without parameters. */
  readonly mediaTypes: readonly string[];
  /** With the dot, lower case. */
  readonly extensions: readonly string[];
  /** For an index at the tail: whether a file that ends so may be of this format, its head being unknown. */
  readonly mayEnd?: (tail: Uint8Array) => boolean;
  readonly load?: () => Promise<FormatModule>;
  readonly loadDirectory?: () => Promise<DirectoryFormatModule>;
}

/** The one table. In this order content is asked: the narrower of two that both fit comes first. */
export const FORMATS: readonly Format[] = [
  {
    name: "parquet",
    title: "Apache Parquet",
    index: "tail",
    firstBytes: TAIL_BYTES,
    // PARE: with an encrypted footer. A file that lost one end is still of this format, and its reader says what is wrong.
    matches: ({ head, tail }) =>
      ["PAR1", "PARE"].some((magic) => startsWith(head, magic) || (tail.length >= 8 && endsWith(tail, magic))),
    mediaTypes: ["application/vnd.apache.parquet", "application/x-parquet", "application/parquet"],
    extensions: [".parquet", ".geoparquet"],
    mayEnd: (tail) => endsWith(tail, "PAR1"),
    load: async () => (await import("./parquet/module.ts")).parquet,
  },
  {
    name: "tiff",
    title: "TIFF",
    index: "head",
    firstBytes: HEAD_BYTES,
    matches: ({ head }) => ["II*\0", "MM\0*", "II+\0", "MM\0+"].some((magic) => startsWith(head, magic)),
    mediaTypes: ["image/tiff"],
    extensions: [".tif", ".tiff", ".gtiff"],
    load: async () => (await import("./cog/module.ts")).cog,
  },
  {
    name: "arrow",
    title: "Arrow IPC file",
    index: "tail",
    matches: ({ head, tail }) => startsWith(head, "ARROW1\0\0") || endsWith(tail, "ARROW1"),
    mediaTypes: ["application/vnd.apache.arrow.file"],
    extensions: [".arrow", ".feather", ".ipc"],
    load: async () => (await import("./arrow/module.ts")).arrow,
  },
  {
    name: "flatgeobuf",
    title: "FlatGeobuf",
    index: "head",
    // The fourth and last bytes are versions; a first half alone is a broken file of this format.
    matches: ({ head }) => startsWith(head, "fgb\x03") || (startsWith(head, "fgb") && startsWith(head, "fgb", 4)),
    mediaTypes: ["application/flatgeobuf", "application/vnd.flatgeobuf"],
    extensions: [".fgb"],
    load: async () => (await import("./flatgeobuf/module.ts")).flatgeobuf,
  },
  {
    name: "npy",
    title: "NumPy array",
    index: "head",
    firstBytes: HEAD_BYTES,
    matches: ({ head }) => startsWith(head, "\x93NUMPY"),
    mediaTypes: ["application/x-npy", "application/vnd.numpy.npy"],
    extensions: [".npy"],
    load: async () => (await import("./npy/module.ts")).npy,
  },
  {
    name: "hdf5",
    title: "HDF5",
    index: "head",
    matches: isHdf5,
    mediaTypes: [
      "application/x-hdf5",
      "application/x-hdf",
      "application/hdf5",
      "application/x-netcdf",
      "application/netcdf",
    ],
    extensions: [".h5", ".hdf5", ".he5", ".hdf", ".nc", ".nc4"],
    load: async () => (await import("./hdf5/module.ts")).hdf5,
  },
  {
    name: "netcdf-classic",
    title: "NetCDF classic",
    index: "head",
    matches: ({ head }) => ["CDF\x01", "CDF\x02", "CDF\x05"].some((magic) => startsWith(head, magic)),
    mediaTypes: ["application/x-netcdf", "application/netcdf"],
    extensions: [".nc", ".nc3", ".cdf"],
    load: async () => (await import("./netcdf-classic/module.ts")).netcdfClassic,
  },
  {
    name: "gguf",
    title: "GGUF",
    index: "head",
    firstBytes: HEAD_BYTES,
    matches: ({ head }) => startsWith(head, "GGUF"),
    mediaTypes: ["application/gguf", "application/x-gguf", "application/vnd.docker.ai.gguf.v3"],
    extensions: [".gguf"],
    load: async () => (await import("./gguf/module.ts")).gguf,
  },
  {
    name: "pmtiles",
    title: "PMTiles",
    index: "head",
    // Versions 1 and 2 begin with PM and the version as two bytes.
    matches: ({ head }) => ["PMTiles", "PM\x01\0", "PM\x02\0"].some((magic) => startsWith(head, magic)),
    mediaTypes: ["application/vnd.pmtiles"],
    extensions: [".pmtiles"],
    load: async () => (await import("./pmtiles/module.ts")).pmtiles,
  },
  {
    name: "las",
    title: "LAS point cloud",
    index: "head",
    matches: ({ head }) => startsWith(head, "LASF"),
    mediaTypes: ["application/vnd.las", "application/vnd.laszip", "application/vnd.laszip+copc"],
    extensions: [".las", ".laz"],
    load: async () => (await import("./las/module.ts")).las,
  },
  {
    name: "jpeg2000",
    title: "JPEG 2000",
    index: "head",
    matches: ({ head }) => startsWith(head, "\0\0\0\x0cjP  \r\n\x87\n") || startsWith(head, "\xff\x4f\xff\x51"),
    mediaTypes: ["image/jp2", "image/jpx", "image/jpm", "image/j2c"],
    extensions: [".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jpf"],
    load: async () => (await import("./jpeg2000/module.ts")).jpeg2000,
  },
  {
    name: "sqlite",
    title: "SQLite database",
    index: "head",
    matches: ({ head }) => startsWith(head, "SQLite format 3\0"),
    mediaTypes: ["application/vnd.sqlite3", "application/x-sqlite3", "application/geopackage+sqlite3"],
    extensions: [".sqlite", ".sqlite3", ".gpkg", ".mbtiles", ".db"],
    load: async () => (await import("./sqlite/module.ts")).sqlite,
  },
  {
    name: "duckdb",
    title: "DuckDB database",
    index: "head",
    matches: ({ head }) => startsWith(head, "DUCK", 8),
    mediaTypes: ["application/vnd.duckdb", "application/x-duckdb"],
    extensions: [".duckdb", ".ddb", ".db"],
    load: async () => (await import("./duckdb/module.ts")).duckdb,
  },
  {
    name: "npz",
    title: "NumPy arrays in a zip",
    index: "tail",
    matches: (probe) => {
      const names = zipNames(probe);
      return names.length > 0 && names.every((name) => name.endsWith(".npy"));
    },
    allows: hidesNames,
    mediaTypes: ["application/x-npz", "application/vnd.numpy.npz"],
    extensions: [".npz"],
    load: async () => (await import("./npy/npz.ts")).npz,
  },
  {
    name: "zarr",
    title: "Zarr",
    index: "tail",
    matches: (probe) => zipNames(probe).some(isZarrDocument),
    allows: hidesNames,
    mediaTypes: ["application/vnd.zarr", "application/vnd+zarr", "application/x-zarr"],
    extensions: [".zarr", ".zarr.zip", ".zr3"],
    load: async () => (await import("./zarr/module.ts")).zarr,
    loadDirectory: async () => (await import("./zarr/module.ts")).zarrDirectory,
  },
  {
    name: "zip",
    title: "zip archive",
    index: "tail",
    matches: isZip,
    mediaTypes: ["application/zip", "application/x-zip-compressed"],
    extensions: [".zip"],
    load: async () => (await import("./zip/module.ts")).zip,
  },
  {
    name: "grib2",
    title: "GRIB",
    index: "head",
    matches: ({ head }) => gribStart(head) >= 0,
    mediaTypes: ["application/wmo-grib2", "application/x-grib2", "application/x-grib", "application/wmo-grib"],
    extensions: [".grib2", ".grb2", ".grib", ".grb"],
    load: async () => (await import("./grib2/module.ts")).grib2,
  },
  {
    name: "safetensors",
    title: "safetensors",
    index: "head",
    firstBytes: HEAD_BYTES,
    matches: isSafetensors,
    mediaTypes: ["application/vnd.safetensors", "application/x-safetensors", "application/safetensors"],
    extensions: [".safetensors"],
    load: async () => (await import("./safetensors/module.ts")).safetensors,
  },
  {
    name: "ndjson",
    title: "JSON lines",
    index: "head",
    allows: isJsonLines,
    mediaTypes: ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines"],
    extensions: [".ndjson", ".jsonl", ".geojsonl", ".ndgeojson"],
    load: async () => (await import("./ndjson/module.ts")).ndjson,
  },
  {
    name: "csv",
    title: "CSV",
    index: "head",
    allows: isText,
    mediaTypes: ["text/csv", "text/tab-separated-values", "application/csv"],
    extensions: [".csv", ".tsv"],
    load: async () => (await import("./csv/module.ts")).csv,
  },
];

import type { ByteRange } from "../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../bytes/source.ts";
import type { SharedThreads } from "./shared-threads.ts";

export type FormatName =
  | "parquet"
  | "tiff"
  | "arrow"
  | "flatgeobuf"
  | "csv"
  | "ndjson"
  | "npy"
  | "npz"
  | "zarr"
  | "hdf5"
  | "netcdf-classic"
  | "safetensors"
  | "gguf"
  | "pmtiles"
  | "zip"
  | "las"
  | "grib2"
  | "jpeg2000"
  | "duckdb"
  | "sqlite";

/** What a query would read. Ranges are those of the data; what the index took to know them was read already. */
export interface ReadPlan {
  readonly ranges: readonly { readonly range: ByteRange; readonly purpose: string }[];
  /** Bytes of `ranges`, and of the index (footer, headers) once. */
  readonly bytesNeeded: number;
  /** Bytes that would move: with the gaps that merging takes in. */
  readonly bytesFetched: number;
  /** Requests that `ranges` would take; those of the index, already made, are not among them. */
  readonly requests: number;
  /** What was left out, by what: `{ what: "row groups by statistics", total: 12, kept: 3 }`. */
  readonly pruned: readonly { readonly what: string; readonly total: number; readonly kept: number }[];
}

/** What a format knows of one file. Errors are `RiffleError`s: `malformed`, `unsupported`, `usage`, or those of the source. */
export interface FormatReader<Metadata, Query, Batch> extends AsyncDisposable {
  readonly metadata: Metadata;
  /** The units that the format reads as one, in order of offset. */
  extents(): readonly ByteRange[];
  /** Does index I/O only. */
  plan(query: Query, options?: ReadOptions): Promise<ReadPlan>;
  /** In bounded memory, in the file's order. Ending the iteration early ends the reading. */
  scan(query: Query, options?: ReadOptions): AsyncIterable<Batch>;
  close(): Promise<void>;
}

/** Files below one directory, for formats and tables that are made of many. */
export interface FileSet {
  /** Paths relative to the set, `/` between names, sorted. */
  readonly paths: readonly string[];
  /** Undefined when there is no such file. No I/O. */
  file(path: string): RangeSource | undefined;
}

export interface FormatOptions extends ReadOptions {
  /**
   * The requests that these ranges would be sent as if nothing of them were cached, for plans: gaps up to 256 KiB are merged, and parts are 8 MiB
   * at most, by default. A source that is given with it plans all reads of one turn of the event loop together.
   */
  readonly merge?: (ranges: readonly ByteRange[]) => readonly ByteRange[];
  /** How many bytes that may turn out to be unwanted are worth one round trip less. Default 0: none is read on suspicion. */
  readonly roundTripBytes?: () => number;
  /** The most bytes of an index, or of a decoded unit, that are held at once. Default 1 GiB for units, 256 MiB for an index. */
  readonly maxBytes?: number;
  /** Threads to share with other readers; without them a reader has its own, which its `close` ends. */
  readonly threads?: SharedThreads;
}

/** For people and programs: plain JSON values, in the order in which they are shown. */
export type Fact = string | number | boolean | null | readonly Fact[] | { readonly [name: string]: Fact };

/** What `riffle info` tells. */
export interface FileInfo {
  readonly format: FormatName;
  /** "Cloud-Optimized GeoTIFF", "Apache Parquet", ... */
  readonly title: string;
  readonly facts: { readonly [name: string]: Fact };
  /** Sentences: why a file is slow to read by ranges, what in it cannot be read. */
  readonly notes: readonly string[];
}

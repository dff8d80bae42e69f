import type { RecordBatch } from "apache-arrow";
import type { FormatName, FormatReader } from "./format.ts";
import type { Predicate } from "./predicate/predicate.ts";

export interface TableColumn {
  readonly name: string;
  /** As Arrow prints it: `Int64`, `Timestamp<MICROSECOND, UTC>`, `List<Utf8>`. */
  readonly type: string;
  readonly nullable: boolean;
}

export interface TableMetadata {
  readonly format: FormatName;
  readonly columns: readonly TableColumn[];
  /** Undefined where only reading all of the file would tell. */
  readonly rows: number | undefined;
}

/** Edges in the coordinates of the file (for GeoParquet and FlatGeobuf mostly degrees); `west > east` spans the antimeridian. */
export interface BoundingBox {
  readonly west: number;
  readonly south: number;
  readonly east: number;
  readonly north: number;
}

export interface TableQuery {
  /** Names of top-level columns, or dotted paths to nested fields; in this order. Default: all. */
  readonly columns?: readonly string[];
  readonly where?: Predicate;
  /** Rows whose geometry's bounds meet the box. */
  readonly bbox?: BoundingBox;
  readonly limit?: number;
}

export type TableReader = FormatReader<TableMetadata, TableQuery, RecordBatch>;

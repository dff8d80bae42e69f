import type { RangeSource } from "../../bytes/source.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import { readFooter } from "./footer.ts";
import { geoMetadata, geometryTypes } from "./geo.ts";
import { parseMetadata, type ColumnChunk, type ParquetMetadata } from "./metadata.ts";
import type { SchemaNode } from "./schema.ts";

/** Row groups beyond these are counted, not listed. */
const LISTED_ROW_GROUPS = 100;

/** How many rows there are, by the footer alone. */
export async function parquetRows(source: RangeSource, options: FormatOptions = {}): Promise<number> {
  const footer = await readFooter(source, options);
  return parseMetadata(footer.bytes, source.size).rows;
}

/** Reads the footer alone. */
export async function parquetInfo(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const footer = await readFooter(source, options);
  const metadata = parseMetadata(footer.bytes, source.size);
  return {
    format: "parquet",
    title: geoMetadata(metadata) === undefined ? "Apache Parquet" : "GeoParquet",
    facts: fileFacts(metadata),
    notes: fileNotes(metadata),
  };
}

function fileFacts(metadata: ParquetMetadata): FileInfo["facts"] {
  const chunks = metadata.rowGroups.flatMap((group) => group.chunks);
  const having = (what: (chunk: ColumnChunk) => unknown): number => chunks.filter((c) => what(c) !== undefined).length;
  return {
    rows: metadata.rows,
    columns: metadata.root.children.map((node) => nodeFact(node)),
    rowGroups: metadata.rowGroups.length,
    rowGroupSizes: metadata.rowGroups.slice(0, LISTED_ROW_GROUPS).map(({ rows, bytes }) => ({ rows, bytes })),
    codecs: distinct(chunks.map((chunk) => chunk.codec)),
    encodings: distinct(chunks.flatMap((chunk) => chunk.encodings)),
    columnChunks: chunks.length,
    columnIndexes: having((chunk) => chunk.columnIndex),
    offsetIndexes: having((chunk) => chunk.offsetIndex),
    bloomFilters: having((chunk) => chunk.bloom),
    createdBy: metadata.createdBy ?? null,
    keyValueMetadata: metadata.keyValues.map(({ key }) => key),
    footerBytes: metadata.footer.length,
    ...geoFacts(metadata),
  };
}

/** Of every geometry column; a CRS by its identifier where it has one, else by its name. */
function geoFacts(metadata: ParquetMetadata): FileInfo["facts"] {
  const geo = geoMetadata(metadata);
  const native = geometryTypes(metadata).map(({ name, type, crs }) => ({ name, type, crs: crs ?? "OGC:CRS84" }));
  const columns = [...(geo?.columns ?? [])].map(([name, column]) => ({
    name,
    encoding: fact(column["encoding"]),
    geometryTypes: fact(column["geometry_types"] ?? column["geometry_type"]),
    // Without one, coordinates are longitude and latitude; null says that it is not known.
    crs: "crs" in column ? crsName(column["crs"]) : "OGC:CRS84",
    bbox: fact(column["bbox"]),
    covering: column["covering"] !== undefined,
  }));
  return {
    ...(geo === undefined
      ? {}
      : { geo: { version: geo.version ?? null, primaryColumn: geo.primary ?? null, columns } }),
    ...(native.length === 0 ? {} : { geometryColumns: native }),
  };
}

function crsName(crs: unknown): Fact {
  if (typeof crs !== "object" || crs === null) return typeof crs === "string" ? crs : null;
  const { id, name } = crs as {
    readonly id?: { readonly authority?: unknown; readonly code?: unknown };
    readonly name?: unknown;
  };
  if (typeof id === "object" && typeof id.authority === "string") return `${id.authority}:${String(id.code)}`;
  return typeof name === "string" ? name : null;
}

/** What JSON gave, where it is plain. */
function fact(value: unknown): Fact {
  if (Array.isArray(value)) return value.map((one) => fact(one));
  return typeof value === "string" || typeof value === "number" ? value : null;
}

function nodeFact(node: SchemaNode): Fact {
  const type = node.logical === undefined ? node.converted : logicalName(node);
  return {
    name: node.name,
    repetition: node.repetition.toLowerCase(),
    ...(node.physical === undefined ? {} : { physical: physicalName(node) }),
    ...(type === undefined ? {} : { logical: type }),
    ...(node.children.length === 0 ? {} : { fields: node.children.map((child) => nodeFact(child)) }),
  };
}

function physicalName(node: SchemaNode): string {
  return node.physical === "FIXED_LEN_BYTE_ARRAY" ? `${node.physical}(${node.typeLength})` : (node.physical ?? "");
}

function logicalName({ logical }: SchemaNode): string | undefined {
  if (logical === undefined) return undefined;
  const { kind, unit, utc, bits, signed, precision, scale } = logical;
  if (unit !== undefined) return `${kind}(${unit}${utc === true ? ", UTC" : ""})`;
  if (kind === "INTEGER") return `${signed === false ? "UINT" : "INT"}(${bits ?? ""})`;
  return kind === "DECIMAL" ? `DECIMAL(${precision ?? 0}, ${scale ?? 0})` : kind;
}

function fileNotes({ rowGroups }: ParquetMetadata): readonly string[] {
  const encrypted = rowGroups[0]?.chunks.filter((chunk) => chunk.encrypted).length ?? 0;
  return encrypted === 0 ? [] : [`${encrypted} columns are encrypted and cannot be read`];
}

function distinct(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}

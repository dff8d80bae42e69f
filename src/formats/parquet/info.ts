import type { RangeSource } from "../../bytes/source.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import { readFooter } from "./footer.ts";
import { parseMetadata, type ColumnChunk, type ParquetMetadata } from "./metadata.ts";
import type { SchemaNode } from "./schema.ts";

/** Row groups beyond these are counted, not listed. */
const LISTED_ROW_GROUPS = 100;

/** Reads the footer alone. */
export async function parquetInfo(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const footer = await readFooter(source, options);
  const metadata = parseMetadata(footer.bytes, source.size);
  return { format: "parquet", title: "Apache Parquet", facts: fileFacts(metadata), notes: fileNotes(metadata) };
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
  };
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

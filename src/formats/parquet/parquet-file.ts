import type { Schema } from "apache-arrow";
import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { DecodeThread } from "./decode-thread.ts";
import type { Footer } from "./footer.ts";
import type { ColumnChunk, ParquetMetadata, RowGroup } from "./metadata.ts";
import type { PageLocation } from "./page-index.ts";
import { leafNodes, repeatedLeaves } from "./projection.ts";
import type { SchemaNode } from "./schema.ts";

/** What is known of an open file before its schema in Arrow's types. */
export interface ParquetFile {
  readonly source: RangeSource;
  readonly footer: Footer;
  readonly metadata: ParquetMetadata;
  readonly thread: DecodeThread;
  /** The most bytes that one column of one row group may decode to. */
  readonly maxBytes: number;
  /** By ordinal. */
  readonly leaves: readonly SchemaNode[];
  /** Position of the top-level column of a leaf. */
  readonly tops: readonly number[];
  readonly repeated: ReadonlySet<number>;
  /** Spark's INT96 times reach far, in microseconds. */
  readonly fromSpark: boolean;
}

/** With its columns in Arrow's types. */
export interface TypedFile extends ParquetFile {
  readonly schema: Schema;
}

/** Of the leaves of one row group whose pages are known. */
export type PageTable = ReadonlyMap<number, readonly PageLocation[]>;
export const NO_PAGES: PageTable = new Map();

const READABLE_CODECS = new Set(["UNCOMPRESSED", "SNAPPY", "GZIP", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW"]);

export function parquetFile(
  source: RangeSource,
  parts: Pick<ParquetFile, "footer" | "metadata" | "thread" | "maxBytes">,
): ParquetFile {
  const { root, keyValues } = parts.metadata;
  return {
    source,
    ...parts,
    leaves: leafNodes(root),
    tops: root.children.flatMap((node, top) => Array.from({ length: node.leaves }, () => top)),
    repeated: repeatedLeaves(root),
    fromSpark: keyValues.some(({ key }) => key.startsWith("org.apache.spark.")),
  };
}

export function groupOf(file: ParquetFile, group: number): RowGroup {
  const found = file.metadata.rowGroups[group];
  if (found === undefined) throw new RiffleError("internal", `there is no row group ${group}`);
  return found;
}

export function leafNode(file: ParquetFile, leaf: number): SchemaNode {
  const node = file.leaves[leaf];
  if (node === undefined) throw new RiffleError("internal", `there is no leaf column ${leaf}`);
  return node;
}

/** The chunk of a leaf; refuses what cannot be read, by name. */
export function readableChunk(
  file: ParquetFile,
  { group, leaf }: { readonly group: number; readonly leaf: number },
): ColumnChunk {
  const chunk = groupOf(file, group).chunks[leaf];
  const { name } = leafNode(file, leaf);
  if (chunk === undefined) throw new RiffleError("internal", `there is no chunk of column "${name}"`);
  if (chunk.encrypted) throw new RiffleError("unsupported", `column "${name}" of this Parquet file is encrypted`);
  if (!READABLE_CODECS.has(chunk.codec)) {
    throw new RiffleError(
      "unsupported",
      `column "${name}" is compressed with codec ${chunk.codec}, which riffle cannot read`,
    );
  }
  return chunk;
}

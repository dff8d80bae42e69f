import type { ByteRange } from "../../bytes/range.ts";
import { alignRows, chunkPieces } from "./coverage.ts";
import type { RowRange } from "./column-index.ts";
import { groupOf, readableChunk, type PageTable, type ParquetFile } from "./parquet-file.ts";

/** The bytes of one leaf in one row group. */
export interface LeafRead {
  readonly leaf: number;
  /** All of the chunk, not only some of its pages. */
  readonly whole: boolean;
  readonly ranges: readonly ByteRange[];
}

/** A top-level column, or some of its leaves, in some rows of one row group. */
export interface ColumnRead {
  readonly group: number;
  readonly top: number;
  readonly leaves: readonly LeafRead[];
  readonly covered: readonly RowRange[];
}

export interface GroupRows {
  readonly group: number;
  readonly wanted: readonly RowRange[];
  readonly pages: PageTable;
}

/** What must be read to have the leaves in the wanted rows; more rows may come along, those of whole pages. */
export function columnReads(
  file: ParquetFile,
  { group, wanted, pages, leaves }: GroupRows & { readonly leaves: readonly number[] },
): readonly ColumnRead[] {
  const { rows } = groupOf(file, group);
  const byTop = new Map<number, number[]>();
  for (const leaf of [...new Set(leaves)].sort((a, b) => a - b)) {
    const top = file.tops[leaf] ?? 0;
    byTop.set(top, [...(byTop.get(top) ?? []), leaf]);
  }
  return [...byTop].map(([top, own]) => {
    const covered = alignRows(wanted, { pages: own.map((leaf) => pages.get(leaf)), rows });
    const reads = own.map((leaf) => {
      const chunk = readableChunk(file, { group, leaf });
      return { leaf, ...chunkPieces(chunk, { pages: pages.get(leaf), covered, rows }) };
    });
    return { group, top, leaves: reads, covered };
  });
}

export function readRanges(reads: readonly ColumnRead[]): readonly ByteRange[] {
  return reads.flatMap((read) => read.leaves.flatMap((leaf) => leaf.ranges));
}

export function readBytes(reads: readonly ColumnRead[]): number {
  return readRanges(reads).reduce((sum, { start, end }) => sum + end - start, 0);
}

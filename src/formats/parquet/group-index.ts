import type { ByteRange } from "../../bytes/range.ts";
import type { ReadOptions } from "../../bytes/source.ts";
import { equalityValues } from "../predicate/equality-values.ts";
import { parseBloom } from "./bloom.ts";
import { parseColumnIndex, type PageBounds } from "./column-index.ts";
import { readWithTail } from "./footer.ts";
import type { ColumnChunk } from "./metadata.ts";
import { parseOffsetIndex, type PageLocation } from "./page-index.ts";
import { groupOf, type PageTable, type TypedFile } from "./parquet-file.ts";
import type { ParquetQuery } from "./query.ts";

/** What the index of a row group says beyond the footer. */
export interface GroupIndex {
  readonly pages: PageTable;
  /** Bounds of the pages of leaves that decide about rows. */
  readonly bounds: ReadonlyMap<number, readonly PageBounds[]>;
  readonly blooms: ReadonlyMap<number, Uint32Array>;
}

/** An index of more would cost more than it saves. */
const MAX_INDEX_BYTES = 64 * 1024 * 1024;
/** A bloom filter whose length is not given is read up to the next thing that the footer knows of, but not beyond this. */
const MAX_BLOOM_BYTES = 1024 * 1024 + 64;

type Part = {
  readonly range: ByteRange;
  readonly group: number;
  readonly leaf: number;
  readonly kind: "offsets" | "bounds" | "bloom";
};

/** The ranges of the index that help with a query in these row groups, none where they are too many bytes. */
export function indexParts(
  file: TypedFile,
  { query, groups }: { readonly query: ParquetQuery; readonly groups: readonly number[] },
): readonly Part[] {
  const early = new Set(query.early);
  const equal = new Set(
    (query.where?.columns ?? [])
      .filter(
        ({ column, node }) =>
          node.children.length === 0 &&
          query.where !== undefined &&
          equalityValues(query.where.bound, column.path) !== undefined,
      )
      .map(({ node }) => node.leaf),
  );
  const starts = equal.size === 0 ? [] : knownStarts(file);
  const parts = groups.flatMap((group) =>
    [...new Set([...query.early, ...query.late])].flatMap((leaf): readonly Part[] => {
      const chunk = groupOf(file, group).chunks[leaf];
      if (chunk === undefined || chunk.encrypted) return [];
      const { offsetIndex, columnIndex } = chunk;
      const bloom = equal.has(leaf) ? bloomRange(chunk, starts) : undefined;
      const found: Part[] = [];
      if (offsetIndex !== undefined) found.push({ range: offsetIndex, group, leaf, kind: "offsets" });
      if (offsetIndex !== undefined && columnIndex !== undefined && early.has(leaf))
        found.push({ range: columnIndex, group, leaf, kind: "bounds" });
      if (bloom !== undefined) found.push({ range: bloom, group, leaf, kind: "bloom" });
      return found;
    }),
  );
  const bytes = parts.reduce((sum, { range }) => sum + range.end - range.start, 0);
  return bytes > MAX_INDEX_BYTES ? [] : parts;
}

/** Reads them all at once, and nothing where the tail holds them. */
export async function readIndex(
  file: TypedFile,
  { parts, ...options }: { readonly parts: readonly Part[] } & ReadOptions,
): Promise<ReadonlyMap<number, GroupIndex>> {
  const read = await readWithTail(file.source, {
    ...options,
    tail: file.footer.tail,
    ranges: parts.map(({ range }) => range),
  });
  const of = (kind: Part["kind"]): readonly (Part & { readonly bytes: Uint8Array })[] =>
    parts.flatMap((part, at) => (part.kind === kind ? [{ ...part, bytes: read[at] ?? new Uint8Array() }] : []));
  const index = new Map<
    number,
    {
      pages: Map<number, readonly PageLocation[]>;
      bounds: Map<number, readonly PageBounds[]>;
      blooms: Map<number, Uint32Array>;
    }
  >();
  const at = (group: number): NonNullable<ReturnType<typeof index.get>> => {
    const found = index.get(group) ?? { pages: new Map(), bounds: new Map(), blooms: new Map() };
    index.set(group, found);
    return found;
  };
  for (const { group, leaf, bytes } of of("offsets")) {
    const { chunks, rows } = groupOf(file, group);
    const chunk = chunks[leaf];
    const pages = chunk === undefined ? undefined : parseOffsetIndex(bytes, chunk);
    if (pages !== undefined && (pages.at(-1)?.firstRow ?? 0) < rows) at(group).pages.set(leaf, pages);
  }
  for (const { group, leaf, bytes } of of("bounds")) {
    const pages = at(group).pages.get(leaf);
    if (pages === undefined || file.repeated.has(leaf)) continue;
    const ordered = file.metadata.typeOrder[leaf] === true;
    const bounds = parseColumnIndex(bytes, { pages, rows: groupOf(file, group).rows, ordered });
    if (bounds !== undefined) at(group).bounds.set(leaf, bounds);
  }
  for (const { group, leaf, bytes } of of("bloom")) {
    const bloom = parseBloom(bytes);
    if (bloom !== undefined) at(group).blooms.set(leaf, bloom);
  }
  return index;
}

/** A filter that is larger than what it could save is not worth its bytes. */
function bloomRange({ bloom, range }: ColumnChunk, starts: readonly number[]): ByteRange | undefined {
  if (bloom === undefined) return undefined;
  const { start, length } = bloom;
  const end =
    length === undefined
      ? Math.min(start + MAX_BLOOM_BYTES, starts.find((next) => next > start) ?? start)
      : start + length;
  const inFile = end > start && end <= (starts.at(-1) ?? 0);
  return inFile && end - start <= range.end - range.start ? { start, end } : undefined;
}

/** Where something begins that the footer knows of, the footer itself last. */
function knownStarts({ metadata, footer }: TypedFile): readonly number[] {
  const chunks = metadata.rowGroups.flatMap((group) => group.chunks);
  const starts = chunks.flatMap(({ range, bloom, columnIndex, offsetIndex }) => [
    range.start,
    bloom?.start ?? 0,
    columnIndex?.start ?? 0,
    offsetIndex?.start ?? 0,
  ]);
  return [...starts, footer.range.start].sort((a, b) => a - b);
}

import type { ReadOptions } from "../../bytes/source.ts";
import type { ReadPlan } from "../format.ts";
import { equalityValues } from "../predicate/equality-values.ts";
import { mayMatch, type ColumnBounds } from "../predicate/may-match.ts";
import { mayHold } from "./bloom.ts";
import type { RowRange } from "./column-index.ts";
import { touchedPages } from "./coverage.ts";
import { geoBounds, meets, widened } from "./geo.ts";
import type { Bounds } from "./geometry-bounds.ts";
import { indexParts, readIndex, type GroupIndex } from "./group-index.ts";
import type { GroupRows } from "./column-read.ts";
import { groupOf, leafNode, NO_PAGES, type TypedFile } from "./parquet-file.ts";
import { mergeRanges, type ByteRange } from "../../bytes/range.ts";
import { takesAll, type ParquetQuery, type WhereColumn } from "./query.ts";
import { chunkBounds, columnBounds, type RawBounds } from "./statistics.ts";

export interface Pruned {
  /** Row groups that may hold rows, with the rows that may be wanted. */
  readonly groups: readonly GroupRows[];
  readonly pruned: ReadPlan["pruned"];
  /** What of the index was looked at, the footer aside. */
  readonly index: readonly ByteRange[];
}

/** A row group as small as this is read whole rather than by pages found with one more round trip. */
const SMALL_GROUP_BYTES = 256 * 1024;

/** Leaves out what cannot match, by statistics, then page index, then bloom filter. Reads the index only, in one round trip at most. */
export async function prune(
  file: TypedFile,
  { query, ...options }: { readonly query: ParquetQuery } & ReadOptions,
): Promise<Pruned> {
  const all = file.metadata.rowGroups.flatMap(({ rows }, group) => (rows > 0 ? [group] : []));
  if (takesAll(query)) return firstRows(file, { query, all, ...options });
  const kept = all.filter((group) => groupMayMatch(file, { query, group }));
  const parts = indexParts(file, { query, groups: kept });
  const index = await readIndex(file, { parts, ...options });
  const held = kept.filter((group) => bloomMayMatch({ query, index: index.get(group) }));
  const counts = { total: 0, kept: 0 };
  const groups = held.flatMap((group): readonly GroupRows[] => {
    const own = index.get(group);
    const wanted =
      own === undefined || own.bounds.size === 0
        ? [{ start: 0, end: groupOf(file, group).rows }]
        : pagesThatMayMatch(file, { query, group, index: own });
    for (const [leaf, pages] of own?.pages ?? NO_PAGES) {
      if (own?.bounds.has(leaf) !== true) continue;
      counts.total += pages.length;
      counts.kept += touchedPages(wanted, { pages, rows: groupOf(file, group).rows }).length;
    }
    return wanted.length === 0 ? [] : [{ group, wanted, pages: own?.pages ?? NO_PAGES }];
  });
  const ranges = parts.map(({ range }) => range);
  const blooms = [...index.values()].some((own) => own.blooms.size > 0);
  return {
    groups,
    index: ranges,
    pruned: [
      { what: "row groups by statistics", total: all.length, kept: kept.length },
      ...(blooms ? [{ what: "row groups by bloom filter", total: kept.length, kept: held.length }] : []),
      ...(counts.total > 0 ? [{ what: "pages by page index", ...counts }] : []),
    ],
  };
}

/** Without a condition: the row groups that the limit reaches, and of the last one the rows that it does. */
async function firstRows(
  file: TypedFile,
  { query, all, ...options }: { readonly query: ParquetQuery; readonly all: readonly number[] } & ReadOptions,
): Promise<Pruned> {
  const groups: GroupRows[] = [];
  let left = query.limit;
  for (const group of all) {
    const { rows } = groupOf(file, group);
    if (left > 0) groups.push({ group, wanted: [{ start: 0, end: Math.min(rows, left) }], pages: NO_PAGES });
    left -= rows;
  }
  const pruned =
    query.limit === Infinity ? [] : [{ what: "row groups by limit", total: all.length, kept: groups.length }];
  const last = groups.at(-1);
  if (last === undefined || left >= 0) return { groups, pruned, index: [] };
  const bytes = query.late.reduce(
    (sum, leaf) => sum + (groupOf(file, last.group).chunks[leaf]?.uncompressedBytes ?? 0),
    0,
  );
  if (bytes <= SMALL_GROUP_BYTES) return { groups, pruned, index: [] };
  const parts = indexParts(file, { query, groups: [last.group] });
  const pages = (await readIndex(file, { parts, ...options })).get(last.group)?.pages ?? NO_PAGES;
  return { groups: [...groups.slice(0, -1), { ...last, pages }], pruned, index: parts.map(({ range }) => range) };
}

interface GroupQuery {
  readonly query: ParquetQuery;
  readonly group: number;
}

function groupMayMatch(file: TypedFile, { query, group }: GroupQuery): boolean {
  const boundsOf = (leaf: number): RawBounds | undefined => {
    const chunk = groupOf(file, group).chunks[leaf];
    return chunk === undefined || file.repeated.has(leaf) ? undefined : chunkBounds(file.metadata, { chunk, leaf });
  };
  if (query.box !== undefined) {
    const statistics = geoBounds(file.metadata, { group, column: query.box.column });
    if (statistics !== undefined && !meets(statistics, query.box.box)) return false;
  }
  return rowsMayMatch(file, { query, boundsOf });
}

interface RowBounds {
  readonly query: ParquetQuery;
  readonly boundsOf: (leaf: number) => RawBounds | undefined;
}

function rowsMayMatch(file: TypedFile, { query, boundsOf }: RowBounds): boolean {
  const { where, box } = query;
  if (box?.column.covering !== undefined) {
    const { covering } = box.column;
    const side = (leaf: number, which: "min" | "max"): number => floatBound(boundsOf(leaf)?.[which], { file, leaf });
    const outer: Bounds = {
      xmin: side(covering.xmin, "min"),
      ymin: side(covering.ymin, "min"),
      xmax: side(covering.xmax, "max"),
      ymax: side(covering.ymax, "max"),
    };
    const known = Object.values(outer).every((edge) => !Number.isNaN(edge));
    if (known && !meets(outer, widened(box.box)) && !mayWrap(covering, side)) return false;
  }
  if (where === undefined) return true;
  return mayMatch(where.bound, (_, column) =>
    whereBounds(
      where.columns.find((one) => one.column.indices.join() === column.indices.join()),
      boundsOf,
    ),
  );
}

/** Whether a row may reach over the antimeridian, its west edge being east of its east edge. */
function mayWrap(
  covering: { readonly xmin: number; readonly xmax: number },
  side: (leaf: number, which: "min" | "max") => number,
): boolean {
  const [largestWest, smallestEast] = [side(covering.xmin, "max"), side(covering.xmax, "min")];
  return !(largestWest <= smallestEast) && !(largestWest <= 0 || smallestEast >= 0);
}

function whereBounds(found: WhereColumn | undefined, boundsOf: RowBounds["boundsOf"]): ColumnBounds | undefined {
  if (found === undefined || found.node.children.length > 0) return undefined;
  const raw = boundsOf(found.node.leaf);
  return raw === undefined ? undefined : columnBounds(raw, found);
}

function floatBound(
  bytes: Uint8Array | undefined,
  { file, leaf }: { readonly file: TypedFile; readonly leaf: number },
): number {
  if (bytes === undefined) return NaN;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { physical } = leafNode(file, leaf);
  if (physical === "FLOAT" && bytes.length === 4) return view.getFloat32(0, true);
  return physical === "DOUBLE" && bytes.length === 8 ? view.getFloat64(0, true) : NaN;
}

function bloomMayMatch({
  query,
  index,
}: {
  readonly query: ParquetQuery;
  readonly index: GroupIndex | undefined;
}): boolean {
  const { where } = query;
  if (where === undefined || index === undefined) return true;
  return where.columns.every(({ column, node }) => {
    const bloom = node.children.length > 0 ? undefined : index.blooms.get(node.leaf);
    const values = bloom === undefined ? undefined : equalityValues(where.bound, column.path);
    return bloom === undefined || values === undefined || mayHold(bloom, { values, node });
  });
}

/** Between the boundaries of the pages of all columns that decide, the rows of which something may match. */
function pagesThatMayMatch(
  file: TypedFile,
  { query, group, index }: GroupQuery & { readonly index: GroupIndex },
): readonly RowRange[] {
  const { rows } = groupOf(file, group);
  const starts = new Set([0]);
  for (const pages of index.bounds.values()) for (const page of pages) starts.add(page.rows.start);
  const edges = [...starts].filter((start) => start < rows).sort((a, b) => a - b);
  const next = new Map<number, number>();
  const kept = edges.flatMap((start, at): readonly RowRange[] => {
    const boundsOf = (leaf: number): RawBounds | undefined => {
      const pages = index.bounds.get(leaf);
      if (pages === undefined) return undefined;
      let page = next.get(leaf) ?? 0;
      while ((pages[page]?.rows.end ?? Infinity) <= start) page++;
      next.set(leaf, page);
      return pages[page]?.bounds;
    };
    return rowsMayMatch(file, { query, boundsOf }) ? [{ start, end: edges[at + 1] ?? rows }] : [];
  });
  return mergeRanges(kept);
}

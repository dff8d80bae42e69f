import { mergeRanges, type ByteRange } from "../../bytes/range.ts";
import { pageRows, type RowRange } from "./column-index.ts";
import type { ColumnChunk } from "./metadata.ts";
import { dictionaryRange, type PageLocation } from "./page-index.ts";

/**
 * The wanted rows grown to whole pages of all the leaves together, so that each leaf has exactly these rows. All `rows` where the
 * pages of one of them are not known.
 */
export function alignRows(
  wanted: readonly RowRange[],
  { pages, rows }: { readonly pages: readonly (readonly PageLocation[] | undefined)[]; readonly rows: number },
): readonly RowRange[] {
  const all = [{ start: 0, end: rows }];
  let covered: readonly RowRange[] = mergeRanges(wanted);
  for (;;) {
    const before = covered;
    for (const leaf of pages) {
      if (leaf === undefined) return all;
      covered = grow(covered, { pages: leaf, rows });
    }
    if (same(before, covered)) return covered;
  }
}

function same(a: readonly RowRange[], b: readonly RowRange[]): boolean {
  return a.length === b.length && a.every((range, at) => range.start === b[at]?.start && range.end === b[at]?.end);
}

function grow(
  wanted: readonly RowRange[],
  { pages, rows }: { readonly pages: readonly PageLocation[]; readonly rows: number },
): RowRange[] {
  return mergeRanges(touchedPages(wanted, { pages, rows }).map((at) => pageRows(pages, { at, rows })));
}

/** Positions of the pages that hold any of the rows. */
export function touchedPages(
  wanted: readonly RowRange[],
  { pages, rows }: { readonly pages: readonly PageLocation[]; readonly rows: number },
): readonly number[] {
  const touched: number[] = [];
  let next = 0;
  for (let at = 0; at < pages.length; at++) {
    const page = pageRows(pages, { at, rows });
    while (next < wanted.length && (wanted[next]?.end ?? 0) <= page.start) next++;
    const range = wanted[next];
    if (range === undefined) break;
    if (range.start < page.end) touched.push(at);
  }
  return touched;
}

/** The bytes of a chunk that hold the rows, dictionary first; the chunk itself where its pages are not known. */
export function chunkPieces(
  chunk: ColumnChunk,
  {
    pages,
    covered,
    rows,
  }: {
    readonly pages: readonly PageLocation[] | undefined;
    readonly covered: readonly RowRange[];
    readonly rows: number;
  },
): { readonly whole: boolean; readonly ranges: readonly ByteRange[] } {
  const touched = pages === undefined ? [] : touchedPages(covered, { pages, rows });
  if (pages === undefined || touched.length === pages.length) return { whole: true, ranges: [chunk.range] };
  const dictionary = dictionaryRange(chunk, pages);
  const parts = touched.flatMap((at) => pages[at] ?? []);
  return { whole: false, ranges: mergeRanges(dictionary === undefined ? parts : [dictionary, ...parts]) };
}

/** How many rows the ranges have. */
export function countRows(ranges: readonly RowRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** What of the ranges lies before a row. */
export function firstRows(ranges: readonly RowRange[], end: number): readonly RowRange[] {
  return ranges.flatMap((range) => (range.start < end ? [{ start: range.start, end: Math.min(range.end, end) }] : []));
}

/** The numbers of the rows, in order. */
export function rowNumbers(ranges: readonly RowRange[]): Uint32Array {
  const rows = new Uint32Array(countRows(ranges));
  let at = 0;
  for (const { start, end } of ranges) for (let row = start; row < end; row++) rows[at++] = row;
  return rows;
}

/** Rows in rising order as ranges. */
export function rowRanges(rows: Uint32Array): readonly RowRange[] {
  const ranges: { start: number; end: number }[] = [];
  for (const row of rows) {
    const last = ranges.at(-1);
    if (last?.end === row) last.end = row + 1;
    else ranges.push({ start: row, end: row + 1 });
  }
  return ranges;
}

/** Where each row (rising, all of them covered) lies among the covered ones. */
export function positionsIn(covered: readonly RowRange[], rows: Uint32Array): Uint32Array {
  const out = new Uint32Array(rows.length);
  let range = 0;
  let before = 0;
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] ?? 0;
    for (let current = covered[range]; current !== undefined && current.end <= row; current = covered[range]) {
      before += current.end - current.start;
      range += 1;
    }
    out[at] = before + row - (covered[range]?.start ?? 0);
  }
  return out;
}

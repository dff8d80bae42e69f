import type { ByteRange } from "../../bytes/range.ts";
import type { PageLocation } from "./page-index.ts";
import { soundCount, type RawBounds } from "./statistics.ts";
import { THRIFT, ThriftReader } from "./thrift.ts";

/** Rows of a row group, counted in it. */
export type RowRange = ByteRange;

/** A data page with what is known of its values. */
export interface PageBounds {
  readonly rows: RowRange;
  readonly bounds: RawBounds;
}

interface Known {
  readonly pages: readonly PageLocation[];
  readonly rows: number;
  readonly ordered: boolean;
}

/** Bounds of every page of a chunk without repetition; undefined where the index does not fit the pages. */
export function parseColumnIndex(
  bytes: Uint8Array,
  { pages, rows, ordered }: Known,
): readonly PageBounds[] | undefined {
  const lists: (readonly (Uint8Array | number)[])[] = [];
  try {
    const reader = new ThriftReader(bytes);
    reader.struct((id, type) => {
      if (type !== THRIFT.list || id > 5) return false;
      if (id === 1) lists[1] = reader.list(() => reader.byte());
      else if (id === 2 || id === 3) lists[id] = reader.list(() => reader.binary());
      else if (id === 5) lists[5] = reader.list(() => reader.zigzag());
      else return false;
      return true;
    });
  } catch {
    return undefined;
  }
  const [, nullPages = [], minima = [], maxima = [], , nullCounts] = lists;
  if ([nullPages, minima, maxima].some((list) => list.length !== pages.length)) return undefined;
  return pages.map((_, at) => {
    const range = pageRows(pages, { at, rows });
    const rowCount = range.end - range.start;
    const isNull = nullPages[at] === THRIFT.true;
    const value = (list: readonly (Uint8Array | number)[]): Uint8Array | undefined => {
      const bound = list[at];
      return isNull || typeof bound === "number" ? undefined : bound;
    };
    const nulls = nullCounts?.length === pages.length ? nullCounts[at] : undefined;
    const nullCount = isNull ? rowCount : typeof nulls === "number" ? soundCount(nulls, rowCount) : undefined;
    return { rows: range, bounds: { min: value(minima), max: value(maxima), nullCount, rowCount, ordered } };
  });
}

export function pageRows(
  pages: readonly PageLocation[],
  { at, rows }: { readonly at: number; readonly rows: number },
): RowRange {
  return { start: pages[at]?.firstRow ?? 0, end: Math.min(rows, pages[at + 1]?.firstRow ?? rows) };
}

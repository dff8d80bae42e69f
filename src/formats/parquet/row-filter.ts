import { makeData, RecordBatch, Schema, Struct, type Data, type Field } from "apache-arrow";
import { bindPredicate } from "../predicate/bind-predicate.ts";
import { matchRows } from "../predicate/match-rows.ts";
import { takeRows, trueRows } from "../predicate/take-rows.ts";
import type { BoundingBox } from "../table.ts";
import type { RowRange } from "./column-index.ts";
import { countRows, positionsIn, rowNumbers } from "./coverage.ts";
import type { DecodedColumns } from "./decode-columns.ts";
import { extractField } from "./extract-field.ts";
import { meets, widened, type GeoColumn } from "./geo.ts";
import { nativeColumn, wkbColumn, type Bounds, type BoundsOfRow } from "./geometry-bounds.ts";
import type { TypedFile } from "./parquet-file.ts";
import { takesAll, type ParquetQuery } from "./query.ts";
import type { SchemaNode } from "./schema.ts";

/** Top-level columns, by their positions in the file, with the same rows. */
export interface RowColumns {
  readonly tops: readonly number[];
  readonly batch: RecordBatch;
}

interface Rows {
  readonly wanted: readonly RowRange[];
  /** Further columns, which have these rows already. */
  readonly before?: RowColumns | undefined;
}

/** Chosen rows of decoded columns as one batch, in the order of the file's columns. All of them were read. */
export function columnsOfRows(decoded: readonly DecodedColumns[], { wanted, before }: Rows): RowColumns {
  const length = countRows(wanted);
  let rows: Uint32Array | undefined;
  const columns = decoded.flatMap(({ tops, covered, batch }) => {
    // What was decoded holds the wanted rows: where it has no others it comes as it is, with nothing to copy or to count up.
    if (batch.numRows === length) return columnsOf({ tops, batch });
    rows ??= rowNumbers(wanted);
    return columnsOf({ tops, batch: takeRows(batch, positionsIn(covered, rows)) });
  });
  return rowColumns(length, [...columns, ...(before === undefined ? [] : columnsOf(before))]);
}

/** Some of the columns, in some of their rows (positions; undefined: all). */
export function keptColumns(
  columns: RowColumns,
  { tops, rows }: { readonly tops: readonly number[]; readonly rows: Uint32Array | undefined },
): RowColumns {
  const kept = rowColumns(
    columns.batch.numRows,
    columnsOf(columns).filter(({ top }) => tops.includes(top)),
  );
  return rows === undefined ? kept : { tops: kept.tops, batch: takeRows(kept.batch, rows) };
}

interface Column {
  readonly top: number;
  readonly field: Field | undefined;
  readonly data: Data | undefined;
}

function columnsOf({ tops, batch }: RowColumns): readonly Column[] {
  return tops.map((top, at) => ({ top, field: batch.schema.fields[at], data: batch.data.children[at] }));
}

function rowColumns(length: number, columns: readonly Column[]): RowColumns {
  const sorted = columns.toSorted((a, b) => a.top - b.top);
  const schema = new Schema(sorted.flatMap(({ field }) => field ?? []));
  const children = sorted.flatMap(({ data }) => data ?? []);
  const data = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children });
  return { tops: sorted.map(({ top }) => top), batch: new RecordBatch(schema, data) };
}

/** Positions of the rows that may come out, as far as the columns that are read first tell. */
export function earlyRows(
  file: TypedFile,
  { query, columns }: { readonly query: ParquetQuery; readonly columns: RowColumns },
): Uint32Array {
  const { batch } = columns;
  // The columns here may be fewer, and structs narrower, than what the predicate was bound to.
  const truths =
    query.where === undefined
      ? new Uint8Array(batch.numRows).fill(1)
      : matchRows(bindPredicate(query.where.predicate, batch.schema), batch);
  if (query.box !== undefined) {
    const { box, column } = query.box;
    const covering =
      column.covering === undefined ? undefined : coveringRows(file, { columns, covering: column.covering });
    const keep = covering === undefined ? geometryMeets({ columns, column, box }) : mayMeet(covering, widened(box));
    for (let row = 0; row < truths.length; row++) if (truths[row] === 1 && !keep(row)) truths[row] = 0;
  }
  return trueRows(truths);
}

/** Positions of the rows whose geometry itself meets the box; undefined where that was decided before. */
export function lateRows({
  query,
  columns,
}: {
  readonly query: ParquetQuery;
  readonly columns: RowColumns;
}): Uint32Array | undefined {
  if (query.box?.column.covering === undefined) return undefined;
  const { box, column } = query.box;
  const keep = geometryMeets({ columns, column, box });
  return trueRows(Uint8Array.from({ length: columns.batch.numRows }, (_, row) => (keep(row) ? 1 : 0)));
}

/** Both at once, of columns that were read together; undefined where every row comes out. */
export function chosenRows(
  file: TypedFile,
  { query, columns }: { readonly query: ParquetQuery; readonly columns: RowColumns },
): Uint32Array | undefined {
  if (takesAll(query)) return undefined;
  const early = earlyRows(file, { query, columns });
  if (query.box?.column.covering === undefined) return early;
  const geometry = keptColumns(columns, { tops: [query.box.column.top], rows: early });
  return lateRows({ query, columns: geometry })?.map((at) => early[at] ?? 0) ?? early;
}

function geometryMeets({
  columns,
  column,
  box,
}: {
  readonly columns: RowColumns;
  readonly column: GeoColumn;
  readonly box: BoundingBox;
}): (row: number) => boolean {
  const data = columns.batch.data.children[columns.tops.indexOf(column.top)];
  if (data === undefined) return () => false;
  const boundsOf = column.encoding === "wkb" ? wkbColumn(data) : nativeColumn(data);
  return (row) => {
    const bounds = boundsOf(row);
    return bounds !== undefined && meets(bounds, box);
  };
}

/** A row whose box is not known may meet any. */
function mayMeet(boundsOf: BoundsOfRow, box: BoundingBox): (row: number) => boolean {
  return (row) => {
    const bounds = boundsOf(row);
    return bounds === undefined || meets(bounds, box);
  };
}

type Covering = NonNullable<GeoColumn["covering"]>;

function coveringRows(
  file: TypedFile,
  { columns, covering }: { readonly columns: RowColumns; readonly covering: Covering },
): BoundsOfRow {
  const side = (leaf: number): ((row: number) => number) => {
    const top = file.tops[leaf] ?? 0;
    const data = columns.batch.data.children[columns.tops.indexOf(top)];
    const root = file.metadata.root.children[top];
    if (data === undefined || root === undefined) return () => NaN;
    const column = extractField(data, pathTo(root, leaf));
    return (row) => (column.getValid(row) ? Number(column.values[row]) : NaN);
  };
  const [xmin, ymin, xmax, ymax] = [side(covering.xmin), side(covering.ymin), side(covering.xmax), side(covering.ymax)];
  return (row): Bounds | undefined => {
    const bounds = { xmin: xmin(row), ymin: ymin(row), xmax: xmax(row), ymax: ymax(row) };
    return Object.values(bounds).some((edge) => Number.isNaN(edge)) ? undefined : bounds;
  };
}

function pathTo(node: SchemaNode, leaf: number): readonly string[] {
  const child = node.children.find((one) => one.leaf <= leaf && leaf < one.leaf + one.leaves);
  return child === undefined ? [] : [child.name, ...pathTo(child, leaf)];
}

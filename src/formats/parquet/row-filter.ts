import { makeData, RecordBatch, Schema, Struct } from "apache-arrow";
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
import type { ParquetQuery } from "./query.ts";
import type { SchemaNode } from "./schema.ts";

/** Chosen rows of decoded columns as one batch, in the order of the file's columns. All of them were read. */
export function columnsOfRows(
  decoded: readonly DecodedColumns[],
  { wanted, total }: { readonly wanted: readonly RowRange[]; readonly total: number },
): { readonly tops: readonly number[]; readonly batch: RecordBatch } {
  const length = countRows(wanted);
  // All rows of the row group come as they are: nothing to copy, nothing to count up.
  const rows = length === total || decoded.length === 0 ? undefined : rowNumbers(wanted);
  const columns = decoded.flatMap(({ tops, covered, batch }) => {
    const own = rows === undefined ? batch : takeRows(batch, positionsIn(covered, rows));
    return tops.map((top, at) => ({ top, field: own.schema.fields[at], data: own.data.children[at] }));
  });
  columns.sort((a, b) => a.top - b.top);
  const schema = new Schema(columns.flatMap(({ field }) => field ?? []));
  const children = columns.flatMap(({ data }) => data ?? []);
  const data = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children });
  return { tops: columns.map(({ top }) => top), batch: new RecordBatch(schema, data) };
}

interface Columns {
  readonly tops: readonly number[];
  readonly batch: RecordBatch;
}

/** Positions of the rows that may come out, as far as the columns that are read first tell. */
export function earlyRows(
  file: TypedFile,
  { query, columns }: { readonly query: ParquetQuery; readonly columns: Columns },
): Uint32Array {
  const { batch } = columns;
  const truths = new Uint8Array(batch.numRows).fill(1);
  if (query.where !== undefined) {
    // The columns here may be fewer, and structs narrower, than what the predicate was bound to.
    const matched = matchRows(bindPredicate(query.where.predicate, batch.schema), batch);
    for (let row = 0; row < truths.length; row++) truths[row] = matched[row] === 1 ? 1 : 0;
  }
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
  readonly columns: Columns;
}): Uint32Array | undefined {
  if (query.box?.column.covering === undefined) return undefined;
  const { box, column } = query.box;
  const keep = geometryMeets({ columns, column, box });
  return trueRows(Uint8Array.from({ length: columns.batch.numRows }, (_, row) => (keep(row) ? 1 : 0)));
}

function geometryMeets({
  columns,
  column,
  box,
}: {
  readonly columns: Columns;
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
  { columns, covering }: { readonly columns: Columns; readonly covering: Covering },
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

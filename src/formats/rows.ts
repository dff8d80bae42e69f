import { DataType, Field, Schema, type Data, type RecordBatch } from "apache-arrow";
import { RiffleError } from "../errors.ts";
import { emptyBatch, recordBatch } from "./build/record-batch.ts";
import { bindPredicate } from "./predicate/bind-predicate.ts";
import { boundColumns } from "./predicate/bound-predicate.ts";
import { matchRows } from "./predicate/match-rows.ts";
import { takeRows, trueRows } from "./predicate/take-rows.ts";
import type { TableQuery } from "./table.ts";

/** A query fitted to the schema of a file. */
export interface BoundRows {
  /** Of what comes out. */
  readonly schema: Schema;
  /** Places of the top-level columns that have to be read, ascending. */
  readonly needed: readonly number[];
  /**
   * Filters, projects and limits batches of exactly the needed columns. Ends their iteration when the limit is met. Where no row
   * is left it gives one batch without rows, which tells the schema.
   */
  run(batches: AsyncIterable<RecordBatch>): AsyncGenerator<RecordBatch>;
}

/** Throws `usage` naming what there is when a column is unknown, and what the predicate's binding throws. */
export function bindRows(schema: Schema, { columns, where, limit = Infinity }: TableQuery): BoundRows {
  if (limit !== Infinity && (!Number.isSafeInteger(limit) || limit < 0)) {
    throw new RiffleError("usage", `a limit is a whole number, not ${limit}`);
  }
  const outputs =
    columns === undefined
      ? schema.fields.map((field, index): Output => ({ path: [index], field }))
      : columns.map((name) => outputOf(schema, name));
  const tested = where === undefined ? [] : boundColumns(bindPredicate(where, schema)).map(({ indices }) => indices[0]);
  const used = new Set([...outputs.map(({ path }) => path[0]), ...tested]);
  const needed = [...schema.fields.keys()].filter((index) => used.has(index));
  // Rows are matched in batches of the needed columns: the places in them are other ones.
  const predicate = where === undefined ? undefined : bindPredicate(where, schema.selectAt([...needed]));
  const result = new Schema(
    outputs.map(({ field }) => field),
    schema.metadata,
  );
  const placed = outputs.map(({ path: [first, ...rest] }) => [needed.indexOf(first ?? 0), ...rest]);
  const project = (batch: RecordBatch): RecordBatch =>
    recordBatch(result, { columns: placed.map((path) => dataAt(batch, path)), rows: batch.numRows });
  const kept = (batch: RecordBatch, most: number): RecordBatch => {
    if (predicate === undefined) return batch.numRows > most ? batch.slice(0, most) : batch;
    const rows = trueRows(matchRows(predicate, batch), most);
    return rows.length === batch.numRows ? batch : takeRows(batch, rows);
  };
  const next = (batch: RecordBatch, most: number): RecordBatch => project(kept(batch, most));
  return {
    schema: result,
    needed,
    run: async function* (batches) {
      let rows = 0;
      for await (const batch of limited(batches, { limit, next })) {
        rows += batch.numRows;
        yield batch;
      }
      if (rows === 0) yield emptyBatch(result);
    },
  };
}

interface Limited {
  readonly limit: number;
  /** The rows wanted of a batch, at most so many. */
  readonly next: (batch: RecordBatch, most: number) => RecordBatch;
}

async function* limited(batches: AsyncIterable<RecordBatch>, { limit, next }: Limited): AsyncGenerator<RecordBatch> {
  let left = limit;
  if (left === 0) return;
  for await (const batch of batches) {
    const rows = next(batch, left);
    if (rows.numRows > 0) yield rows;
    left -= rows.numRows;
    if (left === 0) return;
  }
}

interface Output {
  /** Places of the column and of the fields below it. */
  readonly path: readonly number[];
  readonly field: Field;
}

/** A column of that very name, else the field that a dotted name leads to; it keeps the dotted name. */
function outputOf(schema: Schema, name: string): Output {
  const direct = schema.fields.findIndex((field) => field.name === name);
  const own = schema.fields[direct];
  if (own !== undefined) return { path: [direct], field: own };
  const path: number[] = [];
  let fields: readonly Field[] = schema.fields;
  let found: Field | undefined;
  let nullable = false;
  for (const step of name.split(".")) {
    const index = fields.findIndex((field) => field.name === step);
    found = fields[index];
    if (found === undefined) break;
    path.push(index);
    nullable ||= found.nullable;
    // A struct's children are its fields; those of other types are not reached by name.
    fields = DataType.isStruct(found.type) ? found.type.children : [];
  }
  if (found === undefined) throw unknownColumn(schema, name);
  return { path, field: new Field(name, found.type as DataType, nullable, found.metadata) };
}

function unknownColumn(schema: Schema, name: string): RiffleError {
  const names = schema.fields.map((field) => field.name);
  const shown = names.slice(0, 30).join(", ") + (names.length > 30 ? `, and ${names.length - 30} more` : "");
  return new RiffleError("usage", `there is no column ${JSON.stringify(name)}`, { hint: `there are ${shown}` });
}

function dataAt(batch: RecordBatch, path: readonly number[]): Data {
  let data: Data = batch.data;
  for (const [depth, index] of path.entries()) {
    const child = data.children[index];
    if (child === undefined) throw new RiffleError("internal", `a batch without its column ${index}`);
    // The batch itself is a struct without nulls.
    data = depth === 0 ? child : underNulls(data, child);
  }
  return data;
}

/** The child, null also where its parent is. */
function underNulls(parent: Data, child: Data): Data {
  if (parent.nullCount === 0) return child;
  const { length } = parent;
  const bitmap = new Uint8Array(Math.ceil((child.offset + length) / 64) * 8);
  let nullCount = 0;
  for (let row = 0; row < length; row++) {
    const bit = child.offset + row;
    if (parent.getValid(row) && child.getValid(row)) bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
    else nullCount++;
  }
  const { valueOffsets, values, typeIds } = child;
  // The order of buffers is Arrow's own: offsets, values, validity, type ids.
  return child.clone(child.type, child.offset, length, nullCount, [valueOffsets, values, bitmap, typeIds] as never);
}

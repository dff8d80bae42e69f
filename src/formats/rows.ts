import { DataType, Field, Schema, type Data, type RecordBatch } from "apache-arrow";
import { RiffleError } from "../errors.ts";
import { recordBatch } from "./build/record-batch.ts";
import type { TableQuery } from "./table.ts";

/** A query fitted to the schema of a file. */
export interface BoundRows {
  /** Of what comes out. */
  readonly schema: Schema;
  /** Top-level columns that have to be read, in the order of the file. */
  readonly needed: readonly string[];
  /** Filters, projects and limits batches that hold at least the needed columns. Ends their iteration when the limit is met. */
  run(batches: AsyncIterable<RecordBatch>): AsyncGenerator<RecordBatch>;
}

/** Throws `usage` naming what there is when a column is unknown, and what the predicate's binding throws. */
export function bindRows(schema: Schema, { columns, limit = Infinity }: TableQuery): BoundRows {
  if (limit !== Infinity && (!Number.isSafeInteger(limit) || limit < 0)) {
    throw new RiffleError("usage", `a limit is a whole number, not ${limit}`);
  }
  const outputs = (columns ?? schema.fields.map((field) => field.name)).map((name) => outputOf(schema, name));
  const result = new Schema(
    outputs.map(({ field }) => field),
    schema.metadata,
  );
  const used = new Set(outputs.map(({ path }) => path[0]));
  const project = (batch: RecordBatch): RecordBatch =>
    recordBatch(result, { columns: outputs.map(({ path }) => dataAt(batch, path)), rows: batch.numRows });
  return {
    schema: result,
    needed: schema.fields.map((field) => field.name).filter((name) => used.has(name)),
    run: async function* (batches) {
      let left = limit;
      if (left === 0) return;
      for await (const batch of batches) {
        const kept = batch.numRows > left ? batch.slice(0, left) : batch;
        if (kept.numRows > 0) yield project(kept);
        left -= kept.numRows;
        if (left === 0) return;
      }
    },
  };
}

interface Output {
  readonly path: readonly string[];
  readonly field: Field;
}

/** A column of that very name, else the field that a dotted name leads to; it keeps the dotted name. */
function outputOf(schema: Schema, name: string): Output {
  const direct = schema.fields.find((field) => field.name === name);
  if (direct !== undefined) return { path: [name], field: direct };
  const path = name.split(".");
  let fields: readonly Field[] = schema.fields;
  let found: Field | undefined;
  let nullable = false;
  for (const step of path) {
    found = fields.find((field) => field.name === step);
    if (found === undefined) break;
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
  return new RiffleError("usage", `there is no column ${JSON.stringify(name)}`, { hint: `columns: ${shown}` });
}

function dataAt(batch: RecordBatch, [first, ...rest]: readonly string[]): Data {
  let index = batch.schema.fields.findIndex((field) => field.name === first);
  let data = batch.data.children[index];
  for (const step of rest) {
    if (data === undefined) break;
    index = data.type.children.findIndex((field) => field.name === step);
    const child: Data | undefined = data.children[index];
    data = child === undefined ? undefined : underNulls(data, child);
  }
  if (data === undefined) throw new RiffleError("internal", `a batch without its column ${String(first)}`);
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
  return child.clone(child.type, child.offset, length, nullCount, [valueOffsets, values, bitmap, typeIds] as never);
}

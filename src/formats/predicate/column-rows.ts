import { DataType, type Data, type RecordBatch } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import type { BoundColumn } from "./bound-predicate.ts";

/** The rows of one column of a batch. */
export interface ColumnRows {
  readonly data: Data;
  readonly length: number;
  /** 1 where the value, or a struct around it, is null; undefined where none is. */
  readonly nulls: Uint8Array | undefined;
}

/** Finds a column in a batch of the schema that it was bound to. */
export function columnRows(batch: RecordBatch, column: BoundColumn): ColumnRows {
  let data: Data = batch.data;
  let nulls = nullsOf(data, batch.numRows);
  for (const index of column.indices) {
    const child = data.children[index];
    if (child === undefined) {
      throw new RiffleError("internal", `predicate: column ${column.path.join(".")} is not in the batch`);
    }
    data = child;
    nulls = either(nulls, nullsOf(data, batch.numRows));
  }
  return { data, length: batch.numRows, nulls };
}

/** Which of the first `length` values are null: their own bits, read from the raw bitmap (unions have none: from their members). */
export function nullsOf(data: Data, length: number): Uint8Array | undefined {
  if (DataType.isNull(data.type)) return new Uint8Array(length).fill(1);
  if (DataType.isUnion(data.type)) {
    return Uint8Array.from({ length }, (_, row) => (data.getValid(row) ? 0 : 1));
  }
  // Declared as always there, but absent where nothing is null.
  const nullBitmap = data.nullBitmap as Uint8Array | undefined;
  if (data.nullCount === 0 || nullBitmap === undefined) return undefined;
  const { offset } = data;
  const nulls = new Uint8Array(length);
  for (let row = 0; row < length; row += 1) {
    const bit = offset + row;
    nulls[row] = (((nullBitmap[bit >> 3] ?? 0) >> (bit & 7)) & 1) ^ 1;
  }
  return nulls;
}

function either(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  for (let row = 0; row < a.length; row += 1) b[row] = (a[row] ?? 0) | (b[row] ?? 0);
  return b;
}

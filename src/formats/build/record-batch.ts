import { makeData, RecordBatch, Struct, type Data, type Schema } from "apache-arrow";

/** A batch of exactly these columns, also where there are none. */
export function recordBatch(
  schema: Schema,
  { columns, rows }: { columns: readonly Data[]; rows: number },
): RecordBatch {
  const data = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children: [...columns] });
  return new RecordBatch(schema, data);
}

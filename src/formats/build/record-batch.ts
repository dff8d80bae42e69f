import { Data, DataType, makeData, RecordBatch, Struct, type Field, type Schema } from "apache-arrow";

/** A batch of exactly these columns, also where there are none. */
export function recordBatch(
  schema: Schema,
  { columns, rows }: { columns: readonly Data[]; rows: number },
): RecordBatch {
  const data = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children: [...columns] });
  return new RecordBatch(schema, data);
}

/** A batch without rows, of any type, that holds together: what the package makes up for a schema does not. */
export function emptyBatch(schema: Schema): RecordBatch {
  return recordBatch(schema, { columns: schema.fields.map(({ type }) => emptyData(type as DataType)), rows: 0 });
}

function emptyData(type: DataType): Data {
  const children = ((type.children ?? []) as readonly Field[]).map((field) => emptyData(field.type as DataType));
  // Given a type without parts alone, the package makes data of no rows of it, for which its own types ask for buffers too.
  if (children.length === 0) return makeData({ type } as never);
  const offsets = DataType.isLargeList(type) ? new BigInt64Array(1) : new Int32Array(1);
  const typeIds = DataType.isUnion(type) ? new Int8Array() : undefined;
  return new Data(type, 0, 0, 0, [offsets, undefined, undefined, typeIds] as never, children);
}

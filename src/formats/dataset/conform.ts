import { Data, DataType, makeData, RecordBatch, Schema, Struct, type Field } from "apache-arrow";

/**
 * The batch with the fields of `fields`, which have equal types: writers of Arrow streams ask for one schema, and files differ in
 * the ids of their dictionaries and in what may be null.
 */
export function conformed(batch: RecordBatch, fields: readonly Field[]): RecordBatch {
  const all = [...fields];
  const children = batch.data.children.map((child, i) => retyped(child, (all[i]?.type ?? child.type) as DataType));
  const data = makeData({ type: new Struct(all), length: batch.numRows, nullCount: 0, children });
  return new RecordBatch(new Schema(all, batch.schema.metadata), data);
}

function retyped(data: Data, type: DataType): Data {
  const fields: readonly Field[] = type.children ?? [];
  const children = data.children.map((child, i) => retyped(child, (fields[i]?.type ?? child.type) as DataType));
  // The buffers are those of an equal type.
  const buffers = data.buffers as ConstructorParameters<typeof Data>[4];
  const { offset, length, nullCount, dictionary, variadicBuffers } = data;
  return new Data(
    type,
    offset,
    length,
    DataType.isUnion(type) ? 0 : nullCount,
    buffers,
    children,
    dictionary,
    variadicBuffers,
  );
}

import { Data, DataType, makeData, RecordBatch, Struct, type Field, type Schema } from "apache-arrow";

/**
 * The batch with `schema`, whose types are equal to its own: writers of Arrow streams ask for one schema, and files differ in the
 * ids of their dictionaries, in what may be null, and in what they say of themselves.
 */
export function conformed(batch: RecordBatch, schema: Schema): RecordBatch {
  const { fields } = schema;
  const children = batch.data.children.map((child, i) => retyped(child, (fields[i]?.type ?? child.type) as DataType));
  const data = makeData({ type: new Struct(fields), length: batch.numRows, nullCount: 0, children });
  return new RecordBatch(schema, data);
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

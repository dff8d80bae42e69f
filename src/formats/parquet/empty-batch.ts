import { BufferType, Data, DataType, makeData, RecordBatch, Struct, type Schema } from "apache-arrow";

/** No rows of the columns; Arrow's own way to make one fails on nested types. */
export function emptyBatch(schema: Schema): RecordBatch {
  const children = schema.fields.map((field) => emptyData(field.type as DataType));
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: 0, nullCount: 0, children }));
}

function emptyData(type: DataType): Data {
  const hasOffsets = DataType.isList(type) || DataType.isMap(type) || DataType.isUtf8(type) || DataType.isBinary(type);
  // Null and nested types have no values of their own; the others say which array theirs are in.
  const Values = type.ArrayType as (new (length: number) => Uint8Array) | undefined;
  const buffers = {
    ...(hasOffsets ? { [BufferType.OFFSET]: new Int32Array(1) } : {}),
    ...(typeof Values === "function" && !DataType.isStruct(type) ? { [BufferType.DATA]: new Values(0) } : {}),
  };
  const children = (type.children ?? []).map((field) => emptyData(field.type as DataType));
  return new Data(type, 0, 0, 0, buffers, children);
}

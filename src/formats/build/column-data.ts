import {
  Binary,
  Bool,
  BufferType,
  Data,
  DataType,
  Float32,
  Float64,
  makeData,
  Null,
  Precision,
  Utf8,
  type Field,
  type List,
  type Struct,
} from "apache-arrow";

/**
 * What a value is given as: `bigint` for 64-bit integers and the units of a timestamp, `number` for the other numbers and the
 * days of a date, `string` for Utf8, bytes for Binary, an array for a list, an object with own properties for a struct.
 */
export type ColumnValue =
  | null
  | undefined
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | readonly ColumnValue[]
  | { readonly [name: string]: ColumnValue };

/** Arrow data of the values, in order; null and undefined are null. The values must be of the type: nothing is checked. */
export function columnData(type: DataType, values: readonly ColumnValue[]): Data {
  const length = values.length;
  const { nullBitmap, nullCount } = validity(values);
  const nulls = { length, nullCount, nullBitmap };
  // The casts below follow from the contract above: the values are of the type.
  if (DataType.isUtf8(type))
    return makeData({ type: new Utf8(), ...nulls, ...textBuffers(values as readonly (string | null)[]) });
  if (DataType.isBinary(type))
    return makeData({ type: new Binary(), ...nulls, ...byteBuffers(values as readonly (Uint8Array | null)[]) });
  if (DataType.isBool(type))
    return makeData({ type: new Bool(), ...nulls, data: bitmap(values.map((value) => value === true)) });
  if (DataType.isFloat(type)) {
    const floats = values.map((value) => Number(value ?? 0));
    return type.precision === Precision.SINGLE
      ? makeData({ type: new Float32(), ...nulls, data: Float32Array.from(floats) })
      : makeData({ type: new Float64(), ...nulls, data: Float64Array.from(floats) });
  }
  if (DataType.isStruct(type)) return structData(type, { values, nulls });
  if (DataType.isList(type)) return listData(type, { values, nulls });
  if (DataType.isNull(type)) return makeData({ type: new Null(), length });
  const data = integers(type, values);
  const buffers = nullBitmap === undefined ? {} : { [BufferType.VALIDITY]: nullBitmap };
  return new Data(type, 0, length, nullCount, { [BufferType.DATA]: data, ...buffers });
}

interface Nulls {
  readonly length: number;
  readonly nullCount: number;
  readonly nullBitmap: Uint8Array | undefined;
}

function structData(type: Struct, { values, nulls }: { values: readonly ColumnValue[]; nulls: Nulls }): Data {
  const children = type.children.map((field: Field) =>
    columnData(
      field.type,
      values.map((value) => ownValue(value, field.name)),
    ),
  );
  return makeData({ type, ...nulls, children });
}

function ownValue(value: ColumnValue, name: string): ColumnValue {
  return value !== null && typeof value === "object" && Object.hasOwn(value, name)
    ? (value as { readonly [key: string]: ColumnValue })[name]
    : null;
}

function listData(type: List, { values, nulls }: { values: readonly ColumnValue[]; nulls: Nulls }): Data {
  const valueOffsets = new Int32Array(values.length + 1);
  const items: ColumnValue[] = [];
  for (const [row, value] of values.entries()) {
    if (Array.isArray(value)) for (const item of value as readonly ColumnValue[]) items.push(item);
    valueOffsets[row + 1] = items.length;
  }
  return makeData({ type, ...nulls, valueOffsets, child: columnData(type.valueType as DataType, items) });
}

function integers(type: DataType, values: readonly ColumnValue[]): InstanceType<DataType["ArrayType"]> {
  const array = new (type.ArrayType as Int32ArrayConstructor | BigInt64ArrayConstructor)(values.length);
  for (const [row, value] of values.entries())
    if (value !== null && value !== undefined) array[row] = value as number & bigint;
  return array;
}

function validity(values: readonly ColumnValue[]): { nullBitmap: Uint8Array | undefined; nullCount: number } {
  let nullCount = 0;
  for (const value of values) if (value === null || value === undefined) nullCount++;
  if (nullCount === 0) return { nullBitmap: undefined, nullCount };
  return { nullBitmap: bitmap(values.map((value) => value !== null && value !== undefined)), nullCount };
}

function bitmap(bits: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits.length / 64) * 8);
  for (const [at, bit] of bits.entries()) if (bit) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (1 << (at & 7));
  return bytes;
}

function textBuffers(values: readonly (string | null | undefined)[]): { valueOffsets: Int32Array; data: Uint8Array } {
  const valueOffsets = new Int32Array(values.length + 1);
  let end = 0;
  for (const [row, value] of values.entries()) valueOffsets[row + 1] = end += Buffer.byteLength(value ?? "");
  const data = Buffer.from(values.map((value) => value ?? "").join(""));
  if (data.length === end) return { valueOffsets, data };
  // Halves of a surrogate pair at the seam of two values joined to one character: encode one by one.
  return { valueOffsets, data: Buffer.concat(values.map((value) => Buffer.from(value ?? ""))) };
}

function byteBuffers(values: readonly (Uint8Array | null | undefined)[]): {
  valueOffsets: Int32Array;
  data: Uint8Array;
} {
  const valueOffsets = new Int32Array(values.length + 1);
  let end = 0;
  for (const [row, value] of values.entries()) valueOffsets[row + 1] = end += value?.length ?? 0;
  const data = new Uint8Array(end);
  for (const [row, value] of values.entries()) if (value) data.set(value, valueOffsets[row] ?? 0);
  return { valueOffsets, data };
}

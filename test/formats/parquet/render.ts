import { DataType, DateUnit, Precision, TimeUnit, type Data, type RecordBatch } from "apache-arrow";
import { isValid } from "../../../src/formats/parquet/extract-field.ts";

/** A value as the truths of the fixtures spell it, from the raw buffers. */
export function render(data: Data, row: number): string {
  const type = data.type;
  if (DataType.isNull(type) || !isValid(data, row)) return "null";
  if (DataType.isStruct(type)) {
    return `{${type.children.map((field, at) => `${field.name}:${renderChild(data, { at, row })}`).join()}}`;
  }
  if (DataType.isFixedSizeList(type))
    return `[${items(data, { start: row * type.listSize, end: (row + 1) * type.listSize }).join()}]`;
  const [start, end] = [Number(data.valueOffsets?.[row] ?? 0), Number(data.valueOffsets?.[row + 1] ?? 0)];
  if (DataType.isList(type)) return `[${items(data, { start, end }).join()}]`;
  if (DataType.isMap(type)) return `<${entries(data, { start, end }).join()}>`;
  if (DataType.isUtf8(type) || DataType.isBinary(type)) return hex((data.values as Uint8Array).subarray(start, end));
  if (DataType.isFixedSizeBinary(type))
    return hex((data.values as Uint8Array).subarray(row * type.byteWidth, (row + 1) * type.byteWidth));
  if (DataType.isBool(type))
    return String((((data.values as Uint8Array)[row >> 3] ?? 0) >> (row & 7)) & 1) === "1" ? "true" : "false";
  if (DataType.isDecimal(type))
    return `${unscaled(data.values as Uint32Array, { row, words: type.bitWidth / 32 })}e-${type.scale}`;
  if (DataType.isFloat(type))
    return float(type.precision === Precision.HALF ? half(Number(data.values[row])) : Number(data.values[row]));
  // Days, in whatever unit a date is held.
  if (DataType.isDate(type) && type.unit === DateUnit.MILLISECOND) return String(data.values[row] / 86_400_000n);
  const unit = DataType.isTimestamp(type) || DataType.isTime(type) || DataType.isDuration(type) ? UNITS[type.unit] : "";
  return `${String(data.values[row])}${unit}`;
}

const UNITS: Readonly<Record<TimeUnit, string>> = {
  [TimeUnit.SECOND]: "s",
  [TimeUnit.MILLISECOND]: "ms",
  [TimeUnit.MICROSECOND]: "us",
  [TimeUnit.NANOSECOND]: "ns",
};

/** Every row of a batch's column. */
export function renderColumn(batch: RecordBatch, column: number): readonly string[] {
  const data = batch.data.children[column];
  if (data === undefined) throw new Error(`no column ${column}`);
  return Array.from({ length: batch.numRows }, (_, row) => render(data, row));
}

function renderChild(data: Data, { at, row }: { readonly at: number; readonly row: number }): string {
  const child = data.children[at];
  if (child === undefined) throw new Error(`no child ${at}`);
  return render(child, row);
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function items(data: Data, { start, end }: Span): readonly string[] {
  return Array.from({ length: end - start }, (_, at) => renderChild(data, { at: 0, row: start + at }));
}

function entries(data: Data, { start, end }: Span): readonly string[] {
  const pairs = data.children[0];
  if (pairs === undefined) throw new Error("a map without entries");
  const value = pairs.children.length > 1 ? 1 : 0;
  return Array.from(
    { length: end - start },
    (_, at) =>
      `${renderChild(pairs, { at: 0, row: start + at })}=${renderChild(pairs, { at: value, row: start + at })}`,
  );
}

function hex(bytes: Uint8Array): string {
  return `x${Buffer.from(bytes).toString("hex")}`;
}

function float(value: number): string {
  if (Number.isNaN(value)) return "fnan";
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return `f${bytes.toString("hex")}`;
}

function half(bits: number): number {
  const sign = bits >> 15 === 1 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function unscaled(values: Uint32Array, { row, words }: { readonly row: number; readonly words: number }): bigint {
  let value = 0n;
  for (let word = words - 1; word >= 0; word--) value = (value << 32n) | BigInt(values[row * words + word] ?? 0);
  return BigInt.asIntN(words * 32, value);
}

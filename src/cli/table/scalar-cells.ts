import {
  DataType,
  DateUnit,
  IntervalUnit,
  Precision,
  type Data,
  type Field,
  type Float,
  type Interval,
} from "apache-arrow";
import { bytesText, hexText, uuidText } from "./bytes-text.ts";
import { decimalText, doubleText, floatText } from "./number-text.ts";
import { dateText, durationText, intervalText, timestampText, timeText } from "./temporal-text.ts";

/** A value as text; `undefined` is null. `row` counts in the data that the cells were made for. */
export type CellAt = (row: number) => string | undefined;

/**
 * How the texts of a column stand in JSON: `literal` (numbers, booleans) as they are, `text` as strings, `json` being JSON
 * already (lists, structs, maps, and text that an extension type calls JSON).
 */
export type CellForm = "literal" | "text" | "json";

export interface Cells {
  readonly form: CellForm;
  readonly at: CellAt;
}

/** One buffer, seen as what its type says it holds: each function below reads only the kind that its type stores. */
type Values = ArrayLike<number> & ArrayLike<bigint>;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Values without parts, those that are null included (they come out as something); undefined for nested types. */
export function scalarCells(field: Field, data: Data): Cells | undefined {
  const { type } = data;
  const values = data.values as Values;
  if (DataType.isNull(type)) return { form: "text", at: () => undefined };
  if (DataType.isBool(type)) return { form: "literal", at: (row) => String(bitAt(data, row)) };
  if (DataType.isInt(type)) return { form: "literal", at: (row) => String(values[row]) };
  if (DataType.isFloat(type)) return { form: "literal", at: floatCell(data, type) };
  if (DataType.isDecimal(type)) {
    const words = data.values as Uint32Array;
    const { stride } = data;
    const { scale } = type;
    return { form: "literal", at: (row) => decimalText(words.subarray(row * stride, (row + 1) * stride), scale) };
  }
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isUtf8View(type)) {
    const bytes = bytesAt(data);
    const isJson = extensionOf(field) === "arrow.json";
    return { form: isJson ? "json" : "text", at: (row) => decoder.decode(bytes(row)) };
  }
  if (isBinary(type)) return { form: "text", at: binaryCell(field, data) };
  const temporal = temporalCell(data);
  return temporal === undefined ? undefined : { form: "text", at: temporal };
}

function floatCell(data: Data, { precision }: Float): CellAt {
  if (precision === Precision.HALF) {
    const halves = data.values as Uint16Array;
    return (row) => doubleText(halfValue(halves[row] ?? 0));
  }
  const floats = data.values as Float64Array;
  const text = precision === Precision.SINGLE ? floatText : doubleText;
  return (row) => text(floats[row] ?? 0);
}

/** IEEE 754 binary16. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function temporalCell({ type, values }: Data): CellAt | undefined {
  const value = (row: number): bigint => BigInt((values as Values)[row] ?? 0);
  if (DataType.isDate(type)) {
    return type.unit === DateUnit.DAY ? (row) => dateText(value(row)) : (row) => dateMillisecondText(value(row));
  }
  if (DataType.isTime(type)) {
    const { unit } = type;
    return (row) => timeText(value(row), unit);
  }
  if (DataType.isTimestamp(type)) {
    const { unit, timezone } = type;
    const instant = (timezone ?? "") !== "";
    return (row) => timestampText(value(row), { unit, instant });
  }
  if (DataType.isDuration(type)) {
    const { unit } = type;
    return (row) => durationText(value(row), unit);
  }
  return DataType.isInterval(type) ? intervalCell(values as Int32Array, type) : undefined;
}

/** A date that is stored in milliseconds is whole days by its specification; what is not says so. */
function dateMillisecondText(value: bigint): string {
  const text = timestampText(value, { unit: 1, instant: false });
  return text.endsWith("T00:00:00") ? text.slice(0, -"T00:00:00".length) : text;
}

function intervalCell(words: Int32Array, { unit }: Interval): CellAt {
  const word = (index: number): number => words[index] ?? 0;
  if (unit === IntervalUnit.YEAR_MONTH) return (row) => intervalText({ months: word(row), days: 0, nanoseconds: 0n });
  if (unit === IntervalUnit.DAY_TIME) {
    return (row) =>
      intervalText({ months: 0, days: word(row * 2), nanoseconds: BigInt(word(row * 2 + 1)) * 1_000_000n });
  }
  return (row) => {
    const nanoseconds = (BigInt(word(row * 4 + 3)) << 32n) | BigInt(word(row * 4 + 2) >>> 0);
    return intervalText({ months: word(row * 4), days: word(row * 4 + 1), nanoseconds });
  };
}

function binaryCell(field: Field, data: Data): CellAt {
  const bytes = bytesAt(data);
  const extension = extensionOf(field);
  if (extension === "arrow.uuid" && data.stride === 16) return (row) => uuidText(bytes(row));
  if (extension === "geoarrow.wkb" || extension === "ogc.wkb") return (row) => hexText(bytes(row));
  return (row) => bytesText(bytes(row));
}

function extensionOf(field: Field): string | undefined {
  return field.metadata.get("ARROW:extension:name");
}

function bytesAt(data: Data): (row: number) => Uint8Array {
  const values = data.values as Uint8Array;
  if (DataType.isFixedSizeBinary(data.type)) {
    const { byteWidth } = data.type;
    return (row) => values.subarray(row * byteWidth, (row + 1) * byteWidth);
  }
  if (DataType.isUtf8View(data.type) || DataType.isBinaryView(data.type)) return viewAt(data);
  // Offsets are of 32 bits, or of 64 in the types that are called large.
  const offsets = data.valueOffsets as unknown as Values;
  return (row) => values.subarray(Number(offsets[row]), Number(offsets[row + 1]));
}

/** Arrow columnar format, "Variable-size Binary View Layout": up to 12 bytes stand in the view itself. */
function viewAt(data: Data): (row: number) => Uint8Array {
  const views = data.values as Uint8Array;
  const fields = new DataView(views.buffer, views.byteOffset, views.byteLength);
  return (row) => {
    const at = row * 16;
    const length = fields.getInt32(at, true);
    if (length <= 12) return views.subarray(at + 4, at + 4 + length);
    const start = fields.getInt32(at + 12, true);
    return data.variadicBuffers[fields.getInt32(at + 8, true)]?.subarray(start, start + length) ?? new Uint8Array();
  };
}

function bitAt({ values, offset }: Data, row: number): boolean {
  const bit = offset + row;
  return (((values as Uint8Array)[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}

function isBinary(type: DataType): boolean {
  return (
    DataType.isBinary(type) ||
    DataType.isLargeBinary(type) ||
    DataType.isBinaryView(type) ||
    DataType.isFixedSizeBinary(type)
  );
}

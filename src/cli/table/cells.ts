import { DataType, UnionMode, type Data, type Field } from "apache-arrow";
import { bytesText, hexText, uuidText } from "./bytes-text.ts";
import { nestedAt } from "./nested-cells.ts";
import { decimalText, doubleText, floatText } from "./number-text.ts";
import { dateText, durationText, intervalText, timestampText, timeText } from "./temporal-text.ts";

/** A value as text: `undefined` is null. `row` counts in the data that the reader of cells was made for. */
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

type Values = ArrayLike<number> & ArrayLike<bigint> & Uint8Array;

const decoder = new TextDecoder();

/** The values of one column of one batch, exactly. */
export function cellsOf(field: Field, data: Data): Cells {
  const { form, at } = plainCells(field, data);
  if (DataType.isUnion(data.type) || DataType.isNull(data.type)) return { form, at };
  return { form, at: (row) => (data.getValid(row) ? at(row) : undefined) };
}

/** A cell as JSON. NaN and the infinities, which JSON has no numbers for, are strings; integers keep all of their digits. */
export function jsonText({ form, at }: Cells, row: number): string {
  const text = at(row);
  if (text === undefined) return "null";
  if (form === "json") return text;
  if (form === "text" || text === "NaN" || text.endsWith("Infinity")) return JSON.stringify(text);
  return text;
}

function plainCells(field: Field, data: Data): Cells {
  const { type } = data;
  // One buffer, seen as what the type says it is: each branch below reads only the kind that its type stores.
  const values = data.values as Values;
  const number = (at: CellAt): Cells => ({ form: "literal", at });
  const text = (at: CellAt): Cells => ({ form: "text", at });
  if (DataType.isNull(type)) return text(() => undefined);
  if (DataType.isBool(type)) return { form: "literal", at: (row) => String(bitAt(data, row)) };
  if (DataType.isInt(type)) return number((row) => String(values[row]));
  if (DataType.isFloat(type)) return number(floatCell(data, type.precision));
  if (DataType.isDecimal(type)) {
    const words = data.values as Uint32Array;
    const { stride } = data;
    return number((row) => decimalText(words.subarray(row * stride, (row + 1) * stride), type.scale));
  }
  if (DataType.isDictionary(type)) return dictionaryCells(field, data);
  if (isText(type)) {
    const bytes = bytesAt(data);
    const isJson = field.metadata.get("ARROW:extension:name") === "arrow.json";
    return { form: isJson ? "json" : "text", at: (row) => decoder.decode(bytes(row)) };
  }
  if (isBinary(type)) return text(binaryCell(field, data));
  if (isNested(type)) return { form: "json", at: nestedAt(field, data) };
  if (DataType.isUnion(type)) return unionCells(data);
  return text(temporalCell(data));
}

function floatCell(data: Data, precision: number): CellAt {
  if (precision === 0) {
    const halves = data.values as Uint16Array;
    return (row) => doubleText(halfValue(halves[row] ?? 0));
  }
  const floats = data.values as Float64Array;
  return precision === 1 ? (row) => floatText(floats[row] ?? 0) : (row) => doubleText(floats[row] ?? 0);
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

function temporalCell({ type, values }: Data): CellAt {
  const value = (row: number): bigint => BigInt((values as Values)[row] ?? 0);
  if (DataType.isDate(type)) {
    if (type.unit === 0) return (row) => dateText(value(row));
    return (row) => {
      const text = timestampText(value(row), { unit: 1, instant: false });
      return text.endsWith("T00:00:00") ? text.slice(0, -9) : text;
    };
  }
  if (DataType.isTime(type)) return (row) => timeText(value(row), type.unit);
  if (DataType.isTimestamp(type)) {
    const instant = type.timezone !== null && type.timezone !== undefined && type.timezone !== "";
    return (row) => timestampText(value(row), { unit: type.unit, instant });
  }
  if (DataType.isDuration(type)) return (row) => durationText(value(row), type.unit);
  if (DataType.isInterval(type)) return intervalCell(values as Int32Array, type.unit);
  throw new Error(`a type without text: ${String(type)}`);
}

function intervalCell(words: Int32Array, unit: number): CellAt {
  const word = (index: number): number => words[index] ?? 0;
  if (unit === 0) return (row) => intervalText({ months: word(row), days: 0, nanoseconds: 0n });
  if (unit === 1) {
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
  const extension = field.metadata.get("ARROW:extension:name") ?? "";
  if (extension === "arrow.uuid" && data.stride === 16) return (row) => uuidText(bytes(row));
  if (extension === "geoarrow.wkb" || extension === "ogc.wkb") return (row) => hexText(bytes(row));
  return (row) => bytesText(bytes(row));
}

function bytesAt(data: Data): (row: number) => Uint8Array {
  const values = data.values as Uint8Array;
  if (DataType.isFixedSizeBinary(data.type)) {
    const { byteWidth } = data.type;
    return (row) => values.subarray(row * byteWidth, (row + 1) * byteWidth);
  }
  if (DataType.isUtf8View(data.type) || DataType.isBinaryView(data.type)) return viewAt(data);
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

function dictionaryCells(field: Field, data: Data): Cells {
  const chunks = (data.dictionary?.data ?? []).map((chunk) => ({ cells: cellsOf(field, chunk), length: chunk.length }));
  const keys = data.values as Values;
  const at = (row: number): string | undefined => {
    let key = Number(keys[row]);
    for (const { cells, length } of chunks) {
      if (key < length) return cells.at(key);
      key -= length;
    }
    return undefined;
  };
  return { form: chunks[0]?.cells.form ?? "text", at };
}

function unionCells(data: Data): Cells {
  if (!DataType.isUnion(data.type)) throw new Error("not a union");
  const { mode, typeIdToChildIndex, children: fields } = data.type;
  const children = data.children.map((child, index) => cellsOf(fields[index] as Field, child));
  const at = (row: number): string | undefined => {
    const child = children[typeIdToChildIndex[data.typeIds[row] ?? 0] ?? 0];
    if (child === undefined) return undefined;
    const inner = mode === UnionMode.Dense ? Number((data.valueOffsets as Int32Array)[row]) : row;
    return child.at(inner) === undefined ? undefined : jsonText(child, inner);
  };
  return { form: "json", at };
}

function bitAt({ values, offset }: Data, row: number): boolean {
  const bit = offset + row;
  return (((values as Uint8Array)[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}

function isText(type: DataType): boolean {
  return DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isUtf8View(type);
}

function isBinary(type: DataType): boolean {
  return (
    DataType.isBinary(type) ||
    DataType.isLargeBinary(type) ||
    DataType.isBinaryView(type) ||
    DataType.isFixedSizeBinary(type)
  );
}

function isNested(type: DataType): boolean {
  return (
    DataType.isStruct(type) ||
    DataType.isList(type) ||
    DataType.isLargeList(type) ||
    DataType.isFixedSizeList(type) ||
    DataType.isMap(type)
  );
}

import { ColumnType } from "flatgeobuf/lib/mjs/flat-geobuf/column-type.js";
import {
  Binary,
  Bool,
  Field,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  Schema,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
  type DataType,
} from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import { validUtf8, viewOf } from "../binary.ts";
import type { ColumnValue } from "../build/column-data.ts";
import { uniqueNames } from "../build/unique-names.ts";
import type { FlatgeobufHeader } from "./header.ts";

/** Dates are text in the format, of any precision and with or without a zone: they stay what the writer wrote. */
const TYPES: Readonly<Record<ColumnType, () => DataType>> = {
  [ColumnType.Byte]: () => new Int8(),
  [ColumnType.UByte]: () => new Uint8(),
  [ColumnType.Bool]: () => new Bool(),
  [ColumnType.Short]: () => new Int16(),
  [ColumnType.UShort]: () => new Uint16(),
  [ColumnType.Int]: () => new Int32(),
  [ColumnType.UInt]: () => new Uint32(),
  [ColumnType.Long]: () => new Int64(),
  [ColumnType.ULong]: () => new Uint64(),
  [ColumnType.Float]: () => new Float32(),
  [ColumnType.Double]: () => new Float64(),
  [ColumnType.String]: () => new Utf8(),
  [ColumnType.Json]: () => new Utf8(),
  [ColumnType.DateTime]: () => new Utf8(),
  [ColumnType.Binary]: () => new Binary(),
};

/** The properties, then the geometry as WKB under the first free name of `geometry`, `geometry_1`... */
export function featureSchema({ columns, crs }: FlatgeobufHeader): Schema {
  const names = uniqueNames([...columns.map(({ name }) => name), "geometry"]);
  const fields = columns.map(({ type }, index) => new Field(names[index] ?? "", TYPES[type](), true));
  // https://geoarrow.org/extension-types: a CRS as "authority:code", or as WKT.
  const known =
    crs?.code !== undefined
      ? { crs: crs.code, crs_type: "authority_code" }
      : crs?.wkt !== undefined
        ? { crs: crs.wkt }
        : {};
  const metadata = new Map([
    ["ARROW:extension:name", "geoarrow.wkb"],
    ["ARROW:extension:metadata", JSON.stringify(known)],
  ]);
  return new Schema([...fields, new Field(names.at(-1) ?? "", new Binary(), true, metadata)]);
}

/** The values of one feature by column; what the feature does not name is undefined. Throws `malformed`. */
export function propertyValues(bytes: Uint8Array, columns: FlatgeobufHeader["columns"]): readonly ColumnValue[] {
  const values: ColumnValue[] = Array.from({ length: columns.length });
  const view = viewOf(bytes);
  let at = 0;
  try {
    // Some writers leave a byte behind the last value: less than the number of a column is nothing.
    while (at + 2 <= bytes.length) {
      const index = view.getUint16(at, true);
      const column = columns[index];
      if (column === undefined)
        throw new RiffleError("malformed", `a property of column ${index} of ${columns.length}`);
      const { value, end } = valueAt({ view, bytes, at: at + 2 }, column.type);
      values[index] = value;
      at = end;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RiffleError("malformed", "the properties of a feature end in the middle of a value", { cause: error });
  }
  return values;
}

interface Place {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly at: number;
}

type Read = (view: DataView, at: number) => ColumnValue;

const FIXED: Readonly<Partial<Record<ColumnType, readonly [bytes: number, read: Read]>>> = {
  [ColumnType.Byte]: [1, (view, at) => view.getInt8(at)],
  [ColumnType.UByte]: [1, (view, at) => view.getUint8(at)],
  [ColumnType.Bool]: [1, (view, at) => view.getUint8(at) !== 0],
  [ColumnType.Short]: [2, (view, at) => view.getInt16(at, true)],
  [ColumnType.UShort]: [2, (view, at) => view.getUint16(at, true)],
  [ColumnType.Int]: [4, (view, at) => view.getInt32(at, true)],
  [ColumnType.UInt]: [4, (view, at) => view.getUint32(at, true)],
  [ColumnType.Long]: [8, (view, at) => view.getBigInt64(at, true)],
  [ColumnType.ULong]: [8, (view, at) => view.getBigUint64(at, true)],
  [ColumnType.Float]: [4, (view, at) => view.getFloat32(at, true)],
  [ColumnType.Double]: [8, (view, at) => view.getFloat64(at, true)],
};

function valueAt({ view, bytes, at }: Place, type: ColumnType): { value: ColumnValue; end: number } {
  const fixed = FIXED[type];
  if (fixed !== undefined) return { value: fixed[1](view, at), end: at + fixed[0] };
  const start = at + 4;
  const end = start + view.getUint32(at, true);
  if (end > bytes.length) throw new RangeError("a value beyond its feature");
  const content = bytes.subarray(start, end);
  if (type === ColumnType.Binary) return { value: content, end };
  const text = validUtf8(content);
  if (text === undefined) throw new RiffleError("malformed", "a text property that is not UTF-8");
  return { value: text, end };
}

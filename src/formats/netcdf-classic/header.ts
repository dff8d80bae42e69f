import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import type { Fact, FormatOptions } from "../format.ts";
import { startsWith } from "../magic.ts";
import { Cut, Fields, malformed, textOf } from "./fields.ts";

/** NetCDF classic file formats (Unidata, "NetCDF File Format Specifications"): CDF-1, CDF-2 and CDF-5. */
export interface ClassicHeader {
  readonly version: number;
  /** Of the record dimension; undefined while a writer streams. */
  readonly records: number | undefined;
  readonly dimensions: readonly ClassicDimension[];
  readonly attributes: { readonly [name: string]: Fact };
  readonly variables: readonly ClassicVariable[];
  /** Of the header itself. */
  readonly bytes: number;
}

export interface ClassicDimension {
  readonly name: string;
  /** 0: the record dimension. */
  readonly length: number;
}

export interface ClassicVariable {
  readonly name: string;
  /** As NumPy names it; `char` for text. */
  readonly type: string;
  /** Rows of `dimensions`, slowest first. */
  readonly dimensions: readonly number[];
  readonly attributes: { readonly [name: string]: Fact };
  /** Of the whole variable, or of its first record. */
  readonly begin: number;
  /** Of the whole variable, or of one record, without padding; computed, since the field for it overflows by design. */
  readonly bytes: number;
  readonly isRecord: boolean;
}

const FIRST_READ_BYTES = 64 * 1024;
const MAX_HEADER_BYTES = 64 * 1024 * 1024;
/** More values of an attribute are counted, not shown. */
const SHOWN_VALUES = 64;

const DIMENSION_TAG = 0x0a;
const VARIABLE_TAG = 0x0b;
const ATTRIBUTE_TAG = 0x0c;

const TYPES: Readonly<Record<number, readonly [name: string, bytes: number]>> = {
  1: ["int8", 1],
  2: ["char", 1],
  3: ["int16", 2],
  4: ["int32", 4],
  5: ["float32", 4],
  6: ["float64", 8],
  7: ["uint8", 1],
  8: ["uint16", 2],
  9: ["uint32", 4],
  10: ["int64", 8],
  11: ["uint64", 8],
};
/** Types 7 to 11 came with CDF-5. */
const LAST_CLASSIC_TYPE = 6;

/** What is left of each with an empty name and empty lists. */
const MIN_DIMENSION_BYTES = 8;
const MIN_ATTRIBUTE_BYTES = 12;
const MIN_VARIABLE_BYTES = 28;
/** NC_MAX_VAR_DIMS of the reference library. */
const MAX_RANK = 1024;

function typeOf(number: number, version: number): readonly [name: string, bytes: number] {
  const type = version === 5 || number <= LAST_CLASSIC_TYPE ? TYPES[number] : undefined;
  if (type === undefined) throw malformed(`type ${number} is none`);
  return type;
}

function valueAt(view: DataView, type: string, at: number): Fact {
  switch (type) {
    case "int8":
      return view.getInt8(at);
    case "uint8":
      return view.getUint8(at);
    case "int16":
      return view.getInt16(at, false);
    case "uint16":
      return view.getUint16(at, false);
    case "int32":
      return view.getInt32(at, false);
    case "uint32":
      return view.getUint32(at, false);
    case "float32":
      return view.getFloat32(at, false);
    case "float64":
      return view.getFloat64(at, false);
    case "int64":
      return String(view.getBigInt64(at, false));
    default:
      return String(view.getBigUint64(at, false));
  }
}

function readAttribute(fields: Fields): readonly [name: string, value: Fact] {
  const name = fields.name();
  const [type, width] = typeOf(fields.number(), fields.version);
  const count = fields.count();
  const bytes = fields.padded(count * width);
  if (type === "char") return [name, textOf(bytes).replace(/\0+$/, "")];
  const view = viewOf(bytes);
  const values = Array.from({ length: Math.min(count, SHOWN_VALUES) }, (_, at) => valueAt(view, type, at * width));
  return [name, values.length === 1 ? (values[0] ?? null) : values];
}

function readAttributes(fields: Fields): { readonly [name: string]: Fact } {
  const bound = { tag: ATTRIBUTE_TAG, minBytes: MIN_ATTRIBUTE_BYTES, maxBytes: MAX_HEADER_BYTES };
  return Object.fromEntries(fields.list(() => readAttribute(fields), bound));
}

function readVariable(fields: Fields, dimensions: readonly ClassicDimension[]): ClassicVariable {
  const name = fields.name();
  const rank = fields.count();
  if (rank > MAX_RANK) throw malformed(`variable ${name} has ${rank} dimensions`);
  const ids = Array.from({ length: rank }, () => fields.count());
  const attributes = readAttributes(fields);
  const [type, width] = typeOf(fields.number(), fields.version);
  // vsize: too small by design for large variables.
  fields.count();
  const begin = fields.offset();
  const shape = ids.map((id) => {
    const dimension = dimensions[id];
    if (dimension === undefined) throw malformed(`variable ${name} is over dimension ${id}, which there is not`);
    return dimension.length;
  });
  if (shape.slice(1).includes(0)) throw malformed(`variable ${name} has the record dimension in the wrong place`);
  const isRecord = shape[0] === 0;
  const bytes = shape.slice(isRecord ? 1 : 0).reduce((product, length) => product * length, width);
  return { name, type, dimensions: ids, attributes, begin, bytes, isRecord };
}

function parse(bytes: Uint8Array, { version, size }: { version: number; size: number }): ClassicHeader {
  const fields = new Fields(bytes, version);
  const records = fields.records();
  const bound = { maxBytes: Math.min(size, MAX_HEADER_BYTES) };
  const dimensions = fields.list(() => ({ name: fields.name(), length: fields.count() }), {
    tag: DIMENSION_TAG,
    minBytes: MIN_DIMENSION_BYTES,
    ...bound,
  });
  const attributes = readAttributes(fields);
  const variables = fields.list(() => readVariable(fields, dimensions), {
    tag: VARIABLE_TAG,
    minBytes: MIN_VARIABLE_BYTES,
    ...bound,
  });
  return { version, records, dimensions, attributes, variables, bytes: fields.at };
}

/** Variables that do not belong to records lie behind each other: two on the same bytes are a damaged header. */
function refuseOverlaps({ variables, bytes }: ClassicHeader): void {
  const fixed = variables.filter(({ isRecord }) => !isRecord).toSorted((a, b) => a.begin - b.begin);
  let end = bytes;
  for (const variable of fixed) {
    if (variable.bytes > 0 && variable.begin < end) {
      throw malformed(`variable ${variable.name} begins at ${variable.begin}, where other data lie`);
    }
    end = Math.max(end, variable.begin + variable.bytes);
  }
}

/** One request of 64 KiB, and one more for each time the header is longer than what was read (it at least doubles). */
export async function readClassicHeader(source: RangeSource, options: FormatOptions = {}): Promise<ClassicHeader> {
  const how = { priority: "metadata" as const, ...options };
  const limit = Math.min(source.size, options.maxBytes ?? MAX_HEADER_BYTES, MAX_HEADER_BYTES);
  let bytes = await source.read({ start: 0, end: Math.min(limit, FIRST_READ_BYTES) }, how);
  const version = ["CDF\x01", "CDF\x02", "CDF\x05"].some((magic) => startsWith(bytes, magic)) ? bytes[3] : undefined;
  if (version === undefined)
    throw new RiffleError("malformed", "not a netCDF classic file: it does not begin with its magic");
  for (;;) {
    try {
      const header = parse(bytes, { version, size: source.size });
      refuseOverlaps(header);
      return header;
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
      if (error.needed > limit) throw malformed(`its header is cut short, or longer than ${limit} bytes`);
      const end = Math.min(limit, Math.max(error.needed, 2 * bytes.length));
      bytes = Buffer.concat([bytes, await source.read({ start: bytes.length, end }, how)]);
    }
  }
}

import { RiffleError } from "../../errors.ts";
import { THRIFT, type ThriftReader } from "./thrift.ts";

export const PHYSICAL = [
  "BOOLEAN",
  "INT32",
  "INT64",
  "INT96",
  "FLOAT",
  "DOUBLE",
  "BYTE_ARRAY",
  "FIXED_LEN_BYTE_ARRAY",
] as const;
export type Physical = (typeof PHYSICAL)[number];

const CONVERTED = [
  "UTF8",
  "MAP",
  "MAP_KEY_VALUE",
  "LIST",
  "ENUM",
  "DECIMAL",
  "DATE",
  "TIME_MILLIS",
  "TIME_MICROS",
  "TIMESTAMP_MILLIS",
  "TIMESTAMP_MICROS",
  "UINT_8",
  "UINT_16",
  "UINT_32",
  "UINT_64",
  "INT_8",
  "INT_16",
  "INT_32",
  "INT_64",
  "JSON",
  "BSON",
  "INTERVAL",
] as const;

/** By field number of the union in `parquet.thrift`. */
const LOGICAL: Readonly<Record<number, string>> = {
  1: "STRING",
  2: "MAP",
  3: "LIST",
  4: "ENUM",
  5: "DECIMAL",
  6: "DATE",
  7: "TIME",
  8: "TIMESTAMP",
  10: "INTEGER",
  11: "UNKNOWN",
  12: "JSON",
  13: "BSON",
  14: "UUID",
  15: "FLOAT16",
  16: "VARIANT",
  17: "GEOMETRY",
  18: "GEOGRAPHY",
};
const TIME_UNITS: Readonly<Record<number, TimeUnit>> = { 1: "MILLIS", 2: "MICROS", 3: "NANOS" };
export type TimeUnit = "MILLIS" | "MICROS" | "NANOS";

export interface Logical {
  /** As `parquet.thrift` names it, or `#n` for a kind of field number n that it did not have. */
  readonly kind: string;
  readonly unit?: TimeUnit;
  readonly utc?: boolean;
  readonly bits?: number;
  readonly signed?: boolean;
  readonly scale?: number;
  readonly precision?: number;
  /** Of geometries and geographies; the text of the file. */
  readonly crs?: string;
}

/** One node of the schema, a group or a leaf. */
export interface SchemaNode {
  readonly name: string;
  readonly physical: Physical | undefined;
  readonly typeLength: number;
  readonly repetition: "REQUIRED" | "OPTIONAL" | "REPEATED";
  readonly converted: string | undefined;
  readonly logical: Logical | undefined;
  readonly scale: number;
  readonly precision: number;
  readonly children: readonly SchemaNode[];
  /** Of a leaf: its ordinal, which is that of its column chunk in every row group; of a group: of its first leaf. */
  readonly leaf: number;
  /** Leaves below, itself counted when it is one. */
  readonly leaves: number;
  /** Where its struct lies in the footer. */
  readonly raw: { readonly start: number; readonly end: number };
}

type Element = Omit<SchemaNode, "children" | "leaf" | "leaves"> & { readonly childCount: number };

const REPETITION = ["REQUIRED", "OPTIONAL", "REPEATED"] as const;
/** Deeper ones are taken for an attack on recursion. */
const MAX_DEPTH = 64;

export function readElement(reader: ThriftReader): Element {
  const start = reader.position;
  const numbers: number[] = [];
  let name = "";
  let logical: Logical | undefined;
  reader.struct((id, type) => {
    if (type === THRIFT.i32 && id <= 9) numbers[id] = reader.zigzag();
    else if (id === 4 && type === THRIFT.binary) name = reader.string();
    else if (id === 10 && type === THRIFT.struct) logical = readLogical(reader);
    else return false;
    return true;
  });
  const childCount = numbers[5] ?? 0;
  const type = numbers[1];
  const physical = type === undefined ? undefined : PHYSICAL[type];
  if (type !== undefined && childCount === 0 && physical === undefined) {
    throw new RiffleError("malformed", `column "${name}" has the unknown physical type ${type}`);
  }
  return {
    name,
    physical: childCount > 0 ? undefined : physical,
    typeLength: numbers[2] ?? 0,
    repetition: REPETITION[numbers[3] ?? 0] ?? "REQUIRED",
    converted: CONVERTED[numbers[6] ?? -1],
    logical,
    scale: logical?.scale ?? numbers[7] ?? 0,
    precision: logical?.precision ?? numbers[8] ?? 0,
    childCount,
    raw: { start, end: reader.position },
  };
}

function readLogical(reader: ThriftReader): Logical | undefined {
  let logical: Logical | undefined;
  reader.struct((id, type) => {
    if (type !== THRIFT.struct) return false;
    logical = { kind: LOGICAL[id] ?? `#${id}`, ...readParameters(reader, id) };
    return true;
  });
  return logical;
}

function readParameters(reader: ThriftReader, kind: number): Omit<Logical, "kind"> {
  const out: { -readonly [key in keyof Logical]?: Logical[key] } = {};
  reader.struct((id, type) => {
    const flag = type === THRIFT.true || type === THRIFT.false;
    if (kind === 5 && type === THRIFT.i32 && id === 1) out.scale = reader.zigzag();
    else if (kind === 5 && type === THRIFT.i32 && id === 2) out.precision = reader.zigzag();
    else if ((kind === 7 || kind === 8) && id === 1 && flag) out.utc = type === THRIFT.true;
    else if ((kind === 7 || kind === 8) && id === 2 && type === THRIFT.struct) {
      reader.struct((unit) => {
        const name = TIME_UNITS[unit];
        if (name !== undefined) out.unit = name;
        return false;
      });
    } else if (kind === 10 && id === 1 && type === THRIFT.byte) out.bits = reader.byte();
    else if (kind === 10 && id === 2 && flag) out.signed = type === THRIFT.true;
    else if ((kind === 17 || kind === 18) && id === 1 && type === THRIFT.binary) out.crs = reader.string();
    else return false;
    return true;
  });
  return out;
}

/** The tree of the flat list that a footer holds; `malformed` when counts of children do not fit it. */
export function schemaTree(elements: readonly Element[]): SchemaNode {
  let next = 0;
  let leaf = 0;
  const take = (depth: number): SchemaNode => {
    const element = elements[next++];
    if (element === undefined || element.childCount < 0 || element.childCount > elements.length || depth > MAX_DEPTH) {
      throw new RiffleError("malformed", "the schema of this Parquet file does not fit together");
    }
    const { childCount, ...node } = element;
    const first = leaf;
    if (childCount === 0 && depth > 0) {
      if (node.physical === undefined) {
        throw new RiffleError("unsupported", `column "${node.name}" is a group without fields`);
      }
      leaf += 1;
    }
    const children = Array.from({ length: childCount }, () => take(depth + 1));
    return { ...node, children, leaf: first, leaves: leaf - first };
  };
  const root = take(0);
  if (next !== elements.length) {
    throw new RiffleError("malformed", "the schema of this Parquet file has nodes that belong to nothing");
  }
  return root;
}

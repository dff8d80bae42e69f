import { Dictionary, Field, Schema, util, type DataType } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import {
  flatInt32,
  flatInt64,
  flatTable,
  flatTables,
  flatText,
  flatUint16,
  flatUint8,
  type FlatTable,
} from "../flatbuffer.ts";
import { intType, typeOf } from "./types.ts";

/** Structs in structs deeper than this are nobody's data, and would exhaust the stack. */
const MAX_DEPTH = 64;
const MAX_FIELDS = 100_000;

export interface ArrowSchema {
  readonly schema: Schema;
  /** Types of the values of each dictionary, by its id. */
  readonly dictionaries: ReadonlyMap<number, DataType>;
}

/** Field numbers of Schema.fbs, https://github.com/apache/arrow/blob/main/format/Schema.fbs. */
const SCHEMA = { endianness: 0, fields: 1, metadata: 2 } as const;
const FIELD = { name: 0, nullable: 1, kind: 2, type: 3, dictionary: 4, children: 5, metadata: 6 } as const;
const ENCODING = { id: 0, indexType: 1, isOrdered: 2 } as const;

/**
 * Throws `malformed`, or `unsupported` naming a type that there is no reader for. Tables of a buffer may stand in many places
 * at once: `maxFields` bounds the fields and notes that come of it, however short the buffer is.
 */
export function parseSchema(table: FlatTable, maxFields: number = MAX_FIELDS): ArrowSchema {
  if (flatUint16(table, SCHEMA.endianness, 0) !== 0) {
    throw new RiffleError("unsupported", "an Arrow file of big-endian values");
  }
  const walk: Walk = { dictionaries: new Map(), left: maxFields, notes: MAX_FIELDS, depth: 0 };
  const fields = parseFields(table, SCHEMA.fields, walk);
  return { schema: new Schema([...fields], metadataOf(table, SCHEMA.metadata, walk)), dictionaries: walk.dictionaries };
}

interface Walk {
  readonly dictionaries: Map<number, DataType>;
  /** Fields, and entries of metadata, that may still come. */
  left: number;
  notes: number;
  depth: number;
}

function parseFields(table: FlatTable, id: number, walk: Walk): readonly Field[] {
  const tables = flatTables(table, id);
  walk.left -= tables.length;
  if (walk.left < 0 || walk.depth > MAX_DEPTH)
    throw new RiffleError("malformed", "an Arrow schema that contains itself");
  walk.depth++;
  const fields = Array.from({ length: tables.length }, (_, index) => parseField(tables.at(index), walk));
  walk.depth--;
  return fields;
}

function parseField(table: FlatTable, walk: Walk): Field {
  const name = flatText(table, FIELD.name) ?? "";
  const children = parseFields(table, FIELD.children, walk);
  const type = typeOf({ kind: flatUint8(table, FIELD.kind, 0), table: flatTable(table, FIELD.type), children, name });
  const encoding = flatTable(table, FIELD.dictionary);
  const isNullable = flatUint8(table, FIELD.nullable, 0) !== 0;
  const metadata = metadataOf(table, FIELD.metadata, walk);
  if (encoding === undefined) return new Field(name, type, isNullable, metadata);
  const id = flatInt64(encoding, ENCODING.id);
  if (BigInt(Number(id)) !== id) throw new RiffleError("malformed", `a dictionary of the number ${id}`);
  // Columns may share a dictionary; the package tells one from two by the object that its type is.
  const values = walk.dictionaries.get(Number(id)) ?? type;
  if (!util.compareTypes(values, type)) throw new RiffleError("malformed", `two dictionaries of the number ${id}`);
  walk.dictionaries.set(Number(id), values);
  const indexTable = flatTable(encoding, ENCODING.indexType);
  // Schema.fbs: without a type of their own, indices are signed and of 32 bits.
  const indices = indexTable === undefined ? intType(32, true) : intType(...intOf(indexTable));
  const isOrdered = flatUint8(encoding, ENCODING.isOrdered, 0) !== 0;
  if (indices === undefined) throw new RiffleError("malformed", `dictionary ${id} has indices of no integer type`);
  // The package's type of an index is one of its integer classes, which these are.
  const encoded = new Dictionary(values, indices as never, Number(id), isOrdered);
  return new Field(name, encoded, isNullable, metadata);
}

function intOf(table: FlatTable): [bits: number, isSigned: boolean] {
  return [flatInt32(table, 0, 0), flatUint8(table, 1, 0) !== 0];
}

function metadataOf(table: FlatTable, id: number, walk: Walk): Map<string, string> {
  const entries = flatTables(table, id);
  walk.notes -= entries.length;
  if (walk.notes < 0) throw new RiffleError("malformed", `${entries.length} entries of metadata in an Arrow schema`);
  const metadata = new Map<string, string>();
  for (let index = 0; index < entries.length; index++) {
    const entry = entries.at(index);
    metadata.set(flatText(entry, 0) ?? "", flatText(entry, 1) ?? "");
  }
  return metadata;
}

import {
  Binary,
  DataType,
  FixedSizeList,
  List,
  Map_,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Timestamp,
  TimeUnit,
  Utf8,
  type Field,
  type TypeMap,
} from "apache-arrow";
import { schemaTable } from "../arrow/message.ts";
import { parseSchema } from "../arrow/schema.ts";
import type { SchemaNode } from "./schema.ts";

/**
 * The same values in fewer forms: text, bytes and lists with 32-bit offsets, no dictionaries, no views. A row group is far
 * below the 2 GiB that these reach, and the dictionaries of Parquet are its own, different in each row group.
 */
export function plainType(type: DataType): DataType {
  if (DataType.isDictionary(type)) return plainType(type.dictionary as DataType); // its values are of one type
  if (DataType.isLargeUtf8(type) || DataType.isUtf8View(type)) return new Utf8();
  if (DataType.isLargeBinary(type) || DataType.isBinaryView(type)) return new Binary();
  return withChildren(type, (child) => plainField(child));
}

function plainField(field: Field): Field {
  return field.clone({ type: plainType(field.type as DataType) });
}

/** The type with its fields, if it has any, replaced. */
function withChildren(type: DataType, map: (field: Field, index: number) => Field): DataType {
  if (DataType.isStruct(type)) return new Struct(type.children.map(map));
  const [child] = type.children ?? [];
  if (child === undefined) return type;
  if (DataType.isList(type) || DataType.isLargeList(type)) return new List(map(child, 0));
  if (DataType.isFixedSizeList(type)) return new FixedSizeList(type.listSize, map(child, 0));
  if (DataType.isMap(type))
    return new Map_(map(child, 0) as Field<Struct<{ key: DataType; value: DataType }>>, type.keysSorted);
  return type;
}

/** What INT96 becomes: Spark's are microseconds, and reach far beyond what 64 bits of nanoseconds do. */
export function int96Type(fromSpark: boolean): Timestamp {
  return new Timestamp(fromSpark ? TimeUnit.MICROSECOND : TimeUnit.NANOSECOND, null);
}

/** The type with its leaves replaced, which are counted in order of depth. */
export function mapLeaves(type: DataType, options: { readonly next: () => number; readonly map: LeafMap }): DataType {
  const nested = DataType.isStruct(type) || (type.children ?? []).length > 0;
  if (!nested) return options.map(type, options.next());
  return withChildren(type, (child) => child.clone({ type: mapLeaves(child.type as DataType, options) }));
}

type LeafMap = (type: DataType, leaf: number) => DataType;

/**
 * The writer's Arrow schema (base64 of an IPC message), made plain and cut down to the nodes that are kept; undefined when it
 * cannot be read or does not fit the file. It carries what Parquet's own types do not: zones, durations, extensions.
 */
export function plainHint(
  hint: string,
  options: { readonly root: SchemaNode; readonly keep: Keep },
): string | undefined {
  try {
    // The package's own reader takes every table as often as it is named, which a few bytes can do millions of times.
    const { schema } = parseSchema(schemaTable(new Uint8Array(Buffer.from(hint, "base64"))), nodesOf(options.root));
    const fields = cut(schema.fields, options.root, options.keep);
    if (fields === undefined) return undefined;
    const plain = new Schema(fields.map((field) => plainField(field)));
    const writer = new RecordBatchStreamWriter<TypeMap>().reset(undefined, plain);
    return Buffer.from(writer.finish().toUint8Array(true)).toString("base64");
  } catch {
    return undefined;
  }
}

/** No field of Arrow is stored as less than one node of Parquet. */
function nodesOf(node: SchemaNode): number {
  return node.children.reduce((sum, child) => sum + nodesOf(child), 1);
}

export type Keep = (node: SchemaNode) => boolean;

function cut(fields: readonly Field[], group: SchemaNode, keep: Keep): Field[] | undefined {
  if (fields.length !== group.children.length) return undefined;
  const kept: Field[] = [];
  for (const [at, node] of group.children.entries()) {
    const field = fields[at];
    if (field === undefined) return undefined;
    if (!keep(node)) continue;
    const type = field.type as DataType;
    if (!DataType.isStruct(type)) {
      kept.push(field);
      continue;
    }
    const children = cut(type.children, node, keep);
    if (children === undefined) return undefined;
    kept.push(field.clone({ type: new Struct(children) }));
  }
  return kept;
}

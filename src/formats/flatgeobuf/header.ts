import type { ColumnType } from "flatgeobuf/lib/mjs/flat-geobuf/column-type.js";
import { GeometryType } from "flatgeobuf/lib/mjs/flat-geobuf/geometry-type.js";
import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { latin1, viewOf } from "../binary.ts";
import type { BoundingBox } from "../table.ts";
import { columnTypeOf, geometryTypeOf } from "./codes.ts";
import {
  flatInt32,
  flatTable,
  flatTables,
  flatText,
  flatUint16,
  flatUint64,
  flatUint8,
  flatVector,
  rootTable,
  type FlatTable,
} from "../flatbuffer.ts";

/** A header and the upper levels of its index; what detection has read already. */
export const HEAD_BYTES: number = 64 * 1024;
/** Column descriptions are text that people wrote. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;
const MAGIC_BYTES = 8;
export const NODE_BYTES = 40;

export interface FlatgeobufColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

export interface FlatgeobufCrs {
  /** `EPSG:4326`, or undefined where only a text describes it. */
  readonly code: string | undefined;
  readonly name: string | undefined;
  readonly wkt: string | undefined;
}

export interface FlatgeobufHeader {
  readonly name: string | undefined;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly bounds: BoundingBox | undefined;
  readonly geometryType: GeometryType;
  readonly hasZ: boolean;
  readonly hasM: boolean;
  readonly columns: readonly FlatgeobufColumn[];
  /** Undefined when the writer did not know. */
  readonly features: number | undefined;
  readonly nodeSize: number;
  readonly crs: FlatgeobufCrs | undefined;
  readonly headerBytes: number;
  /** The packed R-tree; empty where there is none. */
  readonly index: ByteRange;
  /** The first bytes of the file, of at least the header. */
  readonly head: Uint8Array;
}

/** Reads the header in one request, in two when it is longer than 64 KiB. */
export async function readHeader(source: RangeSource, options: ReadOptions = {}): Promise<FlatgeobufHeader> {
  const how = { ...options, priority: "metadata" as const };
  let head = await source.read({ start: 0, end: Math.min(source.size, HEAD_BYTES) }, how);
  if (head.length < MAGIC_BYTES + 4 || !latin1(head, 0, 3).startsWith("fgb")) {
    throw new RiffleError("malformed", `not a FlatGeobuf file: ${source.id}`);
  }
  if (head[3] !== 3) throw new RiffleError("unsupported", `version ${head[3] ?? 0} of FlatGeobuf: ${source.id}`);
  const headerBytes = viewOf(head).getUint32(MAGIC_BYTES, true);
  const end = MAGIC_BYTES + 4 + headerBytes;
  if (end > source.size || headerBytes > MAX_HEADER_BYTES) {
    throw new RiffleError("malformed", `a header of ${headerBytes} bytes in a file of ${source.size}: ${source.id}`);
  }
  if (end > head.length) head = await source.read({ start: 0, end }, how);
  return parseHeader(head, { headerBytes, size: source.size });
}

/** Field numbers of `Header` in the format's schema, https://github.com/flatgeobuf/flatgeobuf/blob/master/src/fbs/header.fbs. */
const FIELD = {
  name: 0,
  envelope: 1,
  type: 2,
  hasZ: 3,
  hasM: 4,
  columns: 7,
  count: 8,
  nodeSize: 9,
  crs: 10,
  title: 11,
  description: 12,
} as const;

function parseHeader(head: Uint8Array, { headerBytes, size }: { headerBytes: number; size: number }): FlatgeobufHeader {
  const start = MAGIC_BYTES + 4 + headerBytes;
  const table = rootTable(head.subarray(MAGIC_BYTES + 4, start));
  const count = flatUint64(table, FIELD.count);
  // A feature takes four bytes at the least, and its place in an index forty.
  if (count > BigInt(size)) throw new RiffleError("malformed", `${count} features in a file of ${size} bytes`);
  const nodeSize = flatUint16(table, FIELD.nodeSize, 16);
  const indexBytes = count === 0n || nodeSize === 0 ? 0 : treeBytes(Number(count), nodeSize);
  if (start + indexBytes > size) {
    throw new RiffleError(
      "malformed",
      `an index of ${indexBytes} bytes for ${count} features in a file of ${size} bytes`,
    );
  }
  return {
    name: flatText(table, FIELD.name),
    title: flatText(table, FIELD.title),
    description: flatText(table, FIELD.description),
    bounds: envelope(table),
    geometryType: geometryTypeOf(flatUint8(table, FIELD.type, 0)) ?? GeometryType.Unknown,
    hasZ: flatUint8(table, FIELD.hasZ, 0) !== 0,
    hasM: flatUint8(table, FIELD.hasM, 0) !== 0,
    columns: columnsOf(table),
    features: count > 0n ? Number(count) : start === size ? 0 : undefined,
    nodeSize,
    crs: crsOf(flatTable(table, FIELD.crs)),
    headerBytes,
    index: { start, end: start + indexBytes },
    head,
  };
}

function treeBytes(count: number, nodeSize: number): number {
  return levelSizes(count, nodeSize).reduce((sum, nodes) => sum + nodes, 0) * NODE_BYTES;
}

/** Nodes of each level of the packed R-tree, the root first. It is stored in this order, leaves last. */
export function levelSizes(count: number, nodeSize: number): readonly number[] {
  const fanOut = Math.max(2, nodeSize);
  const sizes = [count];
  for (let nodes = count; ;) {
    nodes = Math.ceil(nodes / fanOut);
    sizes.unshift(nodes);
    if (nodes === 1) return sizes;
  }
}

function columnsOf(header: FlatTable): readonly FlatgeobufColumn[] {
  const tables = flatTables(header, FIELD.columns);
  return Array.from({ length: tables.length }, (_, index) => {
    const column = tables.at(index);
    const code = flatUint8(column, 1, 0);
    const type = columnTypeOf(code);
    const name = flatText(column, 0) ?? "";
    if (type === undefined) {
      throw new RiffleError("malformed", `column ${JSON.stringify(name)} is of type ${code}, which there is not`);
    }
    return { name, type, nullable: flatUint8(column, 7, 1) !== 0 };
  });
}

function crsOf(table: FlatTable | undefined): FlatgeobufCrs | undefined {
  if (table === undefined) return undefined;
  const code = flatInt32(table, 1, 0);
  const text = flatText(table, 5);
  const number = text ?? (code === 0 ? undefined : String(code));
  return {
    code: number === undefined ? undefined : `${flatText(table, 0) ?? "EPSG"}:${number}`,
    name: flatText(table, 2),
    wkt: flatText(table, 4),
  };
}

function envelope(table: FlatTable): BoundingBox | undefined {
  const vector = flatVector(table, FIELD.envelope, 8);
  if (vector === undefined || vector.length < 4) return undefined;
  const at = (index: number): number => table.view.getFloat64(vector.start + index * 8, true);
  // Beyond four they are the bounds in further dimensions: all minima stand before all maxima.
  const half = vector.length / 2;
  return { west: at(0), south: at(1), east: at(half), north: at(half + 1) };
}

import { Data, DataType, UnionMode, type Field, type Vector } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import { checkBytes, checkIndices, checkOffsets, checkUnion, checkViews } from "./check-data.ts";
import { fixedBuffers, isBytes, isView } from "./layout.ts";
import type { FieldNode } from "./message.ts";

/** The parts of one column, in the order in which its type takes them. */
export interface ColumnSource {
  readonly nodes: readonly FieldNode[];
  /** As they are after decompression. */
  readonly buffers: readonly Uint8Array[];
  readonly variadic: readonly number[];
  readonly hasUnionValidity: boolean;
  readonly dictionaries: ReadonlyMap<number, Vector>;
}

interface Cursor {
  node: number;
  buffer: number;
  variadic: number;
}

/**
 * Arrow data of one column over the buffers as they came, none copied where they lie as their type needs it. Every length and
 * offset is checked against the buffers, so that what reads the data later cannot leave them. Throws `malformed`.
 */
export function loadColumn(field: Field, source: ColumnSource): Data {
  return load(field.type as DataType, { source, cursor: { node: 0, buffer: 0, variadic: 0 } });
}

interface Walk {
  readonly source: ColumnSource;
  readonly cursor: Cursor;
}

function load(type: DataType, walk: Walk): Data {
  const { source, cursor } = walk;
  const node = source.nodes[cursor.node++];
  if (node === undefined || node.nullCount > node.length || node.length > 0x7fffffff) {
    throw new RiffleError("malformed", "a column without a sound number of rows");
  }
  if (DataType.isNull(type)) return new Data(type, 0, node.length, node.length);
  if (DataType.isUnion(type)) return loadUnion(type, node, walk);
  const own = take(walk, fixedBuffers(type, source));
  const validity = validityOf(own[0], node);
  if (DataType.isStruct(type)) {
    const children = childrenOf(type, walk);
    for (const child of children) needLength(child, node.length);
    return new Data(type, 0, node.length, validity.nullCount, buffersOf({ validity: validity.bitmap }), children);
  }
  if (DataType.isFixedSizeList(type)) {
    const children = childrenOf(type, walk);
    for (const child of children) needLength(child, node.length * type.listSize);
    return new Data(type, 0, node.length, validity.nullCount, buffersOf({ validity: validity.bitmap }), children);
  }
  const parts: Parts = { type, node, validity, own };
  if (DataType.isList(type) || DataType.isLargeList(type) || DataType.isMap(type)) return loadList(parts, walk);
  if (isBytes(type)) return loadBytes(parts);
  if (isView(type)) return loadViews(parts, walk);
  return loadFixed(parts, source);
}

interface Parts {
  readonly type: DataType;
  readonly node: FieldNode;
  readonly validity: Validity;
  readonly own: readonly Uint8Array[];
}

function loadList({ type, node, validity, own }: Parts, walk: Walk): Data {
  const isLarge = DataType.isLargeList(type);
  const offsets = offsetsOf(own[1], { length: node.length, isLarge });
  const children = childrenOf(type, walk);
  checkOffsets(offsets, { length: node.length, limit: children[0]?.length ?? 0 });
  return new Data(
    type,
    0,
    node.length,
    validity.nullCount,
    buffersOf({ offsets, validity: validity.bitmap }),
    children,
  );
}

function loadBytes({ type, node, validity, own }: Parts): Data {
  const isLarge = DataType.isLargeUtf8(type) || DataType.isLargeBinary(type);
  const offsets = offsetsOf(own[1], { length: node.length, isLarge });
  const values = own[2] ?? new Uint8Array();
  checkOffsets(offsets, { length: node.length, limit: values.length });
  return new Data(type, 0, node.length, validity.nullCount, buffersOf({ offsets, values, validity: validity.bitmap }));
}

function loadViews({ type, node, validity, own }: Parts, walk: Walk): Data {
  const values = own[1] ?? new Uint8Array();
  checkBytes(values, node.length * 16);
  const variadic = take(walk, walk.source.variadic[walk.cursor.variadic++] ?? 0);
  checkViews(values, { length: node.length, buffers: variadic, isValid: bitsOf(validity) });
  const buffers = buffersOf({ values, validity: validity.bitmap });
  return new Data(type, 0, node.length, validity.nullCount, buffers, [], undefined, variadic);
}

function loadFixed({ type, node, validity, own }: Parts, { dictionaries }: ColumnSource): Data {
  const bytes = own[1] ?? new Uint8Array();
  if (DataType.isDictionary(type)) {
    const dictionary = dictionaries.get(type.id);
    if (dictionary === undefined) throw new RiffleError("malformed", `dictionary ${type.id} is not in the file`);
    const values = typed(bytes, { type: type.indices as DataType, length: node.length });
    checkIndices(values, { length: node.length, limit: dictionary.length, isValid: bitsOf(validity) });
    const buffers = buffersOf({ values, validity: validity.bitmap });
    return new Data(type, 0, node.length, validity.nullCount, buffers, [], dictionary);
  }
  const isBits = DataType.isBool(type);
  if (isBits) checkBytes(bytes, Math.ceil(node.length / 8));
  const values = isBits ? bytes : typed(bytes, { type, length: node.length });
  return new Data(type, 0, node.length, validity.nullCount, buffersOf({ values, validity: validity.bitmap }));
}

function loadUnion(type: DataType, node: FieldNode, walk: Walk): Data {
  if (!DataType.isUnion(type)) throw new RiffleError("internal", "not a union");
  const own = take(walk, fixedBuffers(type, walk.source)).slice(walk.source.hasUnionValidity ? 1 : 0);
  const isDense = type.mode === UnionMode.Dense;
  const typeIds = Int8Array.from((own[0] ?? new Uint8Array()).subarray(0, node.length));
  const offsets = isDense ? integers(own[1] ?? new Uint8Array(), node.length) : undefined;
  const children = childrenOf(type, walk);
  checkUnion(typeIds, { length: node.length, places: type.typeIdToChildIndex, offsets, children });
  return new Data(type, 0, node.length, 0, buffersOf({ offsets, typeIds }), children);
}

function childrenOf(type: DataType, walk: Walk): Data[] {
  return (type.children as readonly Field[]).map((child) => load(child.type as DataType, walk));
}

function needLength(child: Data, length: number): void {
  if (child.length < length)
    throw new RiffleError("malformed", "a nested column with fewer rows than the one around it");
}

function take({ source, cursor }: Walk, count: number): readonly Uint8Array[] {
  const taken = source.buffers.slice(cursor.buffer, (cursor.buffer += count));
  if (taken.length < count) throw new RiffleError("malformed", "a column with fewer buffers than its type has");
  return taken;
}

interface Validity {
  readonly bitmap: Uint8Array | undefined;
  /** -1: to be counted when it is asked for. */
  readonly nullCount: number;
}

function validityOf(bitmap: Uint8Array | undefined, { length, nullCount }: FieldNode): Validity {
  if (nullCount === 0) return { bitmap: undefined, nullCount: 0 };
  checkBytes(bitmap ?? new Uint8Array(), Math.ceil(length / 8));
  return { bitmap, nullCount: -1 };
}

function bitsOf({ bitmap }: Validity): (row: number) => boolean {
  return bitmap === undefined ? () => true : (row) => ((bitmap[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
}

interface Buffers {
  readonly offsets?: Int32Array | BigInt64Array | undefined;
  readonly values?: ArrayBufferView;
  readonly validity?: Uint8Array | undefined;
  readonly typeIds?: Int8Array;
}

/** In the package's order, which its types give by a map of each type: here they are what the type was checked to need. */
function buffersOf({ offsets, values, validity, typeIds }: Buffers): never {
  return [offsets, values, validity, typeIds] as never;
}

function offsetsOf(
  bytes: Uint8Array = new Uint8Array(),
  { length, isLarge }: { length: number; isLarge: boolean },
): Int32Array | BigInt64Array {
  // A column without rows may have no offsets, not even the first.
  if (length === 0 && bytes.length === 0) return isLarge ? new BigInt64Array(1) : new Int32Array(1);
  return isLarge ? wide(bytes, length + 1) : integers(bytes, length + 1);
}

function integers(bytes: Uint8Array, count: number): Int32Array {
  checkBytes(bytes, count * 4);
  const { buffer, byteOffset } = aligned(bytes, 4);
  return new Int32Array(buffer, byteOffset, count);
}

function wide(bytes: Uint8Array, count: number): BigInt64Array {
  checkBytes(bytes, count * 8);
  const { buffer, byteOffset } = aligned(bytes, 8);
  return new BigInt64Array(buffer, byteOffset, count);
}

/** The buffer as the array that the type's values lie in. */
function typed(bytes: Uint8Array, { type, length }: { type: DataType; length: number }): ArrayBufferView {
  const { stride } = new Data(type, 0, 0);
  // Every type's array is one of the typed arrays.
  const Typed = type.ArrayType as Uint32ArrayConstructor;
  const count = length * stride;
  checkBytes(bytes, count * Typed.BYTES_PER_ELEMENT);
  const { buffer, byteOffset } = aligned(bytes, Typed.BYTES_PER_ELEMENT);
  return new Typed(buffer, byteOffset, count);
}

function aligned(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : bytes.slice();
}

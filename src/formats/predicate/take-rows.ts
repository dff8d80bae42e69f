import { Data, DataType, makeData, RecordBatch, Struct, UnionMode } from "apache-arrow";

/**
 * The rows of a batch in the order of `rows` (positions, each below `batch.numRows`; they may repeat), with exactly the same types. Buffers
 * are copied, dictionaries and the members of dense unions shared.
 */
export function takeRows(batch: RecordBatch, rows: Uint32Array): RecordBatch {
  const children = batch.data.children.map((child) => takeData(child, rows));
  const data = makeData({ type: new Struct(batch.schema.fields), length: rows.length, nullCount: 0, children });
  return new RecordBatch(batch.schema, data);
}

/** Positions at which `truths` is 1, at most `limit` of them. */
export function trueRows(truths: Uint8Array, limit: number = truths.length): Uint32Array {
  const rows = new Uint32Array(Math.min(truths.length, limit));
  let count = 0;
  for (let row = 0; row < truths.length && count < rows.length; row += 1) {
    if (truths[row] === 1) {
      rows[count] = row;
      count += 1;
    }
  }
  return rows.subarray(0, count);
}

function takeData(data: Data, rows: Uint32Array): Data {
  const { type } = data;
  if (DataType.isNull(type)) return new Data(type, 0, rows.length, rows.length);
  const taken = { length: rows.length, ...validity(data, rows) };
  if (DataType.isUnion(type)) return takeUnion(data, rows);
  if (DataType.isBool(type))
    return built(data, { ...taken, values: takeBits(data.values as Uint8Array, { offset: data.offset, rows }) });
  if (DataType.isStruct(type))
    return built(data, { ...taken, children: data.children.map((child) => takeData(child, rows)) });
  if (DataType.isFixedSizeList(type)) {
    const inner = expand(rows, type.listSize);
    return built(data, { ...taken, children: data.children.map((child) => takeData(child, inner)) });
  }
  if (data.valueOffsets === undefined) return built(data, { ...taken, values: takeFixed(data, rows) });
  const { offsets, inner } = takeOffsets(data, rows);
  if (DataType.isList(type) || DataType.isLargeList(type) || DataType.isMap(type)) {
    return built(data, {
      ...taken,
      offsets,
      children: data.children.map((child) => takeData(child, positions(inner))),
    });
  }
  return built(data, { ...taken, offsets, values: takeBytes(data.values as Uint8Array | undefined, inner) });
}

interface Parts {
  readonly length: number;
  readonly nullCount: number;
  readonly nullBitmap: Uint8Array | undefined;
  readonly offsets?: Int32Array | BigInt64Array;
  readonly values?: ArrayBufferView;
  readonly typeIds?: Int8Array;
  readonly children?: Data[];
}

function built(data: Data, parts: Parts): Data {
  // The order of buffers is Arrow's own: offsets, values, validity, type ids. Absent ones are left out.
  const buffers = [parts.offsets, parts.values, parts.nullBitmap, parts.typeIds] as unknown as ConstructorParameters<
    typeof Data
  >[4];
  return new Data(
    data.type,
    0,
    parts.length,
    parts.nullCount,
    buffers,
    parts.children ?? [],
    data.dictionary,
    data.variadicBuffers,
  );
}

function validity(data: Data, rows: Uint32Array): { nullCount: number; nullBitmap: Uint8Array | undefined } {
  // Declared as always there, but absent where nothing is null.
  const bitmap = data.nullBitmap as Uint8Array | undefined;
  if (DataType.isUnion(data.type) || data.nullCount === 0 || bitmap === undefined) {
    return { nullCount: 0, nullBitmap: undefined };
  }
  const nullBitmap = takeBits(bitmap, { offset: data.offset, rows });
  let valid = 0;
  for (let i = 0; i < rows.length; i += 1) valid += ((nullBitmap[i >> 3] ?? 0) >> (i & 7)) & 1;
  return { nullCount: rows.length - valid, nullBitmap };
}

function takeBits(bits: Uint8Array, from: { readonly offset: number; readonly rows: Uint32Array }): Uint8Array {
  const { offset, rows } = from;
  // Whole words of 8 bytes, as Arrow pads them.
  const out = new Uint8Array(((rows.length + 63) >> 6) << 3);
  for (let i = 0; i < rows.length; i += 1) {
    const bit = offset + (rows[i] ?? 0);
    if ((((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1) out[i >> 3] = (out[i >> 3] ?? 0) | (1 << (i & 7));
  }
  return out;
}

/** Values of one width: by bytes, whatever the numbers are. */
function takeFixed(data: Data, rows: Uint32Array): ArrayBufferView {
  // Every Arrow buffer is a typed array.
  const values = data.values as Uint8Array;
  const perRow = DataType.isUtf8View(data.type) || DataType.isBinaryView(data.type) ? 16 : data.stride;
  const Typed = values.constructor as new (length: number) => Uint8Array;
  const out = new Typed(rows.length * perRow);
  if (perRow === 1) {
    for (let i = 0; i < rows.length; i += 1) {
      const value = values[rows[i] ?? 0];
      if (value !== undefined) out[i] = value;
    }
    return out;
  }
  for (let i = 0; i < rows.length; i += 1) {
    const start = (rows[i] ?? 0) * perRow;
    out.set(values.subarray(start, start + perRow), i * perRow);
  }
  return out;
}

interface Piece {
  readonly start: number;
  readonly end: number;
}

function takeOffsets(data: Data, rows: Uint32Array): { offsets: Int32Array | BigInt64Array; inner: readonly Piece[] } {
  const from = data.valueOffsets as Int32Array | BigInt64Array;
  const inner: Piece[] = [];
  const ends = new Float64Array(rows.length + 1);
  const hasNulls = data.nullCount > 0;
  let end = 0;
  for (let i = 0; i < rows.length; i += 1) {
    const row = rows[i] ?? 0;
    // What a null spans is nobody's: it may be anything.
    const piece =
      !hasNulls || data.getValid(row)
        ? { start: Number(from[row] ?? 0), end: Number(from[row + 1] ?? 0) }
        : { start: 0, end: 0 };
    inner.push(piece);
    end += piece.end - piece.start;
    ends[i + 1] = end;
  }
  return { offsets: from instanceof BigInt64Array ? BigInt64Array.from(ends, BigInt) : Int32Array.from(ends), inner };
}

function takeBytes(bytes: Uint8Array | undefined, pieces: readonly Piece[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, { start, end }) => sum + end - start, 0));
  let at = 0;
  for (const { start, end } of pieces) {
    if (bytes !== undefined) out.set(bytes.subarray(start, end), at);
    at += end - start;
  }
  return out;
}

function positions(pieces: readonly Piece[]): Uint32Array {
  const out = new Uint32Array(pieces.reduce((sum, { start, end }) => sum + end - start, 0));
  let at = 0;
  for (const { start, end } of pieces) {
    for (let i = start; i < end; i += 1) {
      out[at] = i;
      at += 1;
    }
  }
  return out;
}

function expand(rows: Uint32Array, width: number): Uint32Array {
  const out = new Uint32Array(rows.length * width);
  for (let i = 0; i < out.length; i += 1) out[i] = (rows[Math.floor(i / width)] ?? 0) * width + (i % width);
  return out;
}

/** A dense union keeps its members as they are and takes the places in them; a sparse one has a row in each. */
function takeUnion(data: Data, rows: Uint32Array): Data {
  const { type } = data;
  const typeIds = Int8Array.from(rows, (row) => (data.typeIds as Int8Array)[row] ?? 0);
  const taken = { length: rows.length, nullCount: 0, nullBitmap: undefined, typeIds };
  if (DataType.isUnion(type) && type.mode === UnionMode.Dense) {
    const from = data.valueOffsets as Int32Array;
    return built(data, { ...taken, offsets: Int32Array.from(rows, (row) => from[row] ?? 0), children: data.children });
  }
  return built(data, { ...taken, children: data.children.map((child) => takeData(child, rows)) });
}

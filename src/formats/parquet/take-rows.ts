import { BufferType, Data, DataType, IntervalUnit, type Field } from "apache-arrow";

/** Row numbers, in the order wanted; -1 is a null. */
export type Rows = Int32Array;

/** The rows of a column, copied out, so that nothing else of it stays in memory. For the types of `plainType` alone. */
export function takeRows(data: Data, rows: Rows): Data {
  const type = data.type as DataType;
  const nulls = takeNulls(data, rows);
  const build = (buffers: Buffers, children: readonly Data[] = []): Data =>
    new Data(type, 0, rows.length, nulls.count, { ...buffers, ...nulls.buffer }, [...children]);
  if (DataType.isNull(type)) return new Data(type, 0, rows.length, rows.length, {});
  if (DataType.isStruct(type)) {
    return build(
      {},
      data.children.map((child) =>
        takeRows(child, data.offset === 0 ? rows : rows.map((row) => row + (row < 0 ? 0 : data.offset))),
      ),
    );
  }
  if (DataType.isFixedSizeList(type)) return build({}, takeFixedLists(data, { rows, size: type.listSize }));
  if (DataType.isList(type) || DataType.isMap(type)) {
    const { offsets, items } = takeSpans(data, rows);
    return build(
      { [BufferType.OFFSET]: offsets },
      data.children.map((child) => takeRows(child, items())),
    );
  }
  if (DataType.isUtf8(type) || DataType.isBinary(type)) {
    const { offsets, bytes } = takeBytes(data, rows);
    return build({ [BufferType.OFFSET]: offsets, [BufferType.DATA]: bytes });
  }
  if (DataType.isBool(type))
    return build({ [BufferType.DATA]: takeBits(data.values as Uint8Array, { rows, offset: data.offset }) });
  return build({ [BufferType.DATA]: takeFixed(data.values as FixedValues, { rows, stride: strideOf(type) }) });
}

interface Buffers {
  readonly [BufferType.OFFSET]?: Int32Array;
  readonly [BufferType.DATA]?: FixedValues;
  readonly [BufferType.VALIDITY]?: Uint8Array;
}
type FixedValues = Uint8Array | Uint16Array | Int32Array | Uint32Array | Float64Array | BigInt64Array;

/** Elements of the buffer for one value. */
export function strideOf(type: DataType): number {
  if (DataType.isDecimal(type)) return type.bitWidth / 32;
  if (DataType.isFixedSizeBinary(type)) return type.byteWidth;
  if (DataType.isInterval(type)) {
    return type.unit === IntervalUnit.MONTH_DAY_NANO ? 4 : type.unit === IntervalUnit.DAY_TIME ? 2 : 1;
  }
  return 1;
}

export function isValid(data: Data, row: number): boolean {
  const bitmap = data.nullBitmap as Uint8Array | undefined;
  if (data.nullCount === 0 || bitmap === undefined || bitmap.length === 0) return true;
  const bit = data.offset + row;
  return (((bitmap[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1;
}

/** The bitmap of a column to be kept as it is. */
export function validityOf(data: Data): { readonly [BufferType.VALIDITY]?: Uint8Array } {
  return data.nullCount === 0 ? {} : { [BufferType.VALIDITY]: data.nullBitmap as Uint8Array };
}

function takeNulls(data: Data, rows: Rows): { readonly count: number; readonly buffer: Buffers } {
  const out = new Uint8Array(Math.ceil(rows.length / 64) * 8);
  let count = 0;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] ?? -1;
    if (row >= 0 && isValid(data, row)) out[index >> 3] = (out[index >> 3] ?? 0) | (1 << (index & 7));
    else count += 1;
  }
  return { count, buffer: count === 0 ? {} : { [BufferType.VALIDITY]: out } };
}

function takeBits(bits: Uint8Array, { rows, offset }: { readonly rows: Rows; readonly offset: number }): Uint8Array {
  const out = new Uint8Array(Math.ceil(rows.length / 64) * 8);
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] ?? -1;
    const bit = offset + row;
    if (row >= 0 && (((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1)
      out[index >> 3] = (out[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return out;
}

function takeFixed(
  values: FixedValues,
  { rows, stride }: { readonly rows: Rows; readonly stride: number },
): FixedValues {
  // Every typed array can be made with a length.
  const out = new (values.constructor as new (length: number) => FixedValues)(rows.length * stride);
  if (stride === 1) {
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index] ?? -1;
      const value = row < 0 ? undefined : values[row];
      if (value !== undefined) out[index] = value;
    }
    return out;
  }
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] ?? -1;
    // The part is of the same array type as the whole.
    if (row >= 0)
      (out as Uint8Array).set((values as Uint8Array).subarray(row * stride, (row + 1) * stride), index * stride);
  }
  return out;
}

function takeBytes(data: Data, rows: Rows): { readonly offsets: Int32Array; readonly bytes: Uint8Array } {
  const { offsets, from } = takeOffsets(data, rows);
  const source = data.values as Uint8Array;
  const bytes = new Uint8Array(offsets[rows.length] ?? 0);
  for (let index = 0; index < rows.length; index++) {
    const at = offsets[index] ?? 0;
    const length = (offsets[index + 1] ?? 0) - at;
    const start = from[index] ?? 0;
    if (length > 0) bytes.set(source.subarray(start, start + length), at);
  }
  return { offsets, bytes };
}

function takeSpans(data: Data, rows: Rows): { readonly offsets: Int32Array; readonly items: () => Rows } {
  const { offsets, from } = takeOffsets(data, rows);
  const items = (): Rows => {
    const out = new Int32Array(offsets[rows.length] ?? 0);
    for (let index = 0; index < rows.length; index++) {
      const at = offsets[index] ?? 0;
      const length = (offsets[index + 1] ?? 0) - at;
      const start = from[index] ?? 0;
      for (let item = 0; item < length; item++) out[at + item] = start + item;
    }
    return out;
  };
  return { offsets, items };
}

/** Offsets of the result, and for each row where its span begins in the source; what is null has none. */
function takeOffsets(data: Data, rows: Rows): { readonly offsets: Int32Array; readonly from: Int32Array } {
  const source = data.valueOffsets;
  const offsets = new Int32Array(rows.length + 1);
  const from = new Int32Array(rows.length);
  let end = 0;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] ?? -1;
    if (row >= 0 && isValid(data, row)) {
      const start = source[row] ?? 0;
      from[index] = start;
      end += (source[row + 1] ?? start) - start;
    }
    offsets[index + 1] = end;
  }
  return { offsets, from };
}

function takeFixedLists(data: Data, { rows, size }: { readonly rows: Rows; readonly size: number }): Data[] {
  const items = new Int32Array(rows.length * size);
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index] ?? -1;
    for (let item = 0; item < size; item++)
      items[index * size + item] = row < 0 ? -1 : (data.offset + row) * size + item;
  }
  return data.children.map((child) => takeRows(child, items));
}

/**
 * A field below structs as a column of its own: null where a struct around it is. `path` holds positions, the first that of a
 * child of `data`.
 */
export function extractField(data: Data, path: readonly number[]): Data {
  let at = data;
  const rows = new Int32Array(data.length);
  for (let row = 0; row < rows.length; row++) rows[row] = row;
  let holes = false;
  for (const position of path) {
    for (let row = 0; row < rows.length; row++) {
      if ((rows[row] ?? -1) >= 0 && !isValid(at, row)) {
        rows[row] = -1;
        holes = true;
      }
    }
    const child = at.children[position];
    if (child === undefined) break;
    at = child;
  }
  return holes ? takeRows(at, rows) : at;
}

/** The field that a path of positions leads to. */
export function fieldAt(field: Field, path: readonly number[]): Field {
  return path.reduce((at, position) => (at.type as DataType).children?.[position] ?? at, field);
}

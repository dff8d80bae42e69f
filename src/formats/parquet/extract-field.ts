import { BufferType, Data, DataType } from "apache-arrow";

export function isValid(data: Data, row: number): boolean {
  const bitmap = data.nullBitmap as Uint8Array | undefined;
  if (data.nullCount === 0 || bitmap === undefined || bitmap.length === 0) return true;
  const bit = data.offset + row;
  return (((bitmap[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1;
}

/** The bitmap of a column that is kept as it is. */
export function validityOf(data: Data): { readonly [BufferType.VALIDITY]?: Uint8Array } {
  return data.nullCount === 0 ? {} : { [BufferType.VALIDITY]: data.nullBitmap };
}

/** A field below structs, by the names that lead to it, as a column of its own: null where a struct around it is. No copy. */
export function extractField(data: Data, path: readonly string[]): Data {
  return path.reduce((around, name) => {
    const at = childNames(around).indexOf(name);
    const child = around.children[at];
    return child === undefined ? around : withNulls(child, around);
  }, data);
}

function childNames(data: Data): readonly string[] {
  return data.type.children.map((field) => field.name);
}

function withNulls(child: Data, around: Data): Data {
  if (around.nullCount === 0 || DataType.isNull(child.type)) return child;
  const bitmap = new Uint8Array(Math.ceil(around.length / 64) * 8);
  let nulls = 0;
  for (let row = 0; row < around.length; row++) {
    if (isValid(around, row) && isValid(child, row)) bitmap[row >> 3] = (bitmap[row >> 3] ?? 0) | (1 << (row & 7));
    else nulls += 1;
  }
  const buffers = {
    [BufferType.OFFSET]: child.valueOffsets,
    // The type of the values is the column's own.
    [BufferType.DATA]: child.values as Uint8Array,
    [BufferType.VALIDITY]: bitmap,
  };
  return new Data(child.type, 0, child.length, nulls, buffers, child.children);
}

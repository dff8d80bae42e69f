import { RiffleError } from "../../errors.ts";

/** One entry of a directory. Its values lie at `at`, inside the entry itself where they fit. */
export interface Field {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly at: number;
  /** Of all values; may be more than the file has. */
  readonly bytes: number;
}

export interface Layout {
  readonly littleEndian: boolean;
  readonly big: boolean;
}

const ASCII = 2;

/** Bytes of one value by type (TIFF 6.0 section 2; 13 is IFD; 16 to 18 are BigTIFF's). */
const WIDTHS: Readonly<Record<number, number>> = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  5: 8,
  6: 1,
  7: 1,
  8: 2,
  9: 4,
  10: 8,
  11: 4,
  12: 8,
  13: 4,
  16: 8,
  17: 8,
  18: 8,
};

export function typeWidth(type: number): number | undefined {
  return WIDTHS[type];
}

/** Exact up to 2^53; what is larger is no place in any file, and stays larger than any. */
export function uint64(view: DataView, options: { readonly at: number; readonly littleEndian: boolean }): number {
  return Number(view.getBigUint64(options.at, options.littleEndian));
}

/** The numbers in `bytes`, which hold whole values of `type`. Rationals are divided. Throws `malformed` for text. */
export function numbersOf(
  bytes: Uint8Array,
  options: { readonly type: number; readonly layout: Layout },
): Float64Array {
  const { type } = options;
  const width = WIDTHS[type];
  if (width === undefined || type === ASCII) {
    throw new RiffleError("malformed", `a TIFF tag that should hold numbers is of type ${type}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = options.layout.littleEndian;
  const read = reader(view, { type, little });
  const values = new Float64Array(Math.floor(bytes.length / width));
  for (let i = 0; i < values.length; i += 1) values[i] = read(i * width);
  return values;
}

function reader(view: DataView, how: { readonly type: number; readonly little: boolean }): (at: number) => number {
  const { type, little } = how;
  switch (type) {
    case 3:
      return (at) => view.getUint16(at, little);
    case 4:
    case 13:
      return (at) => view.getUint32(at, little);
    case 5:
      return (at) => view.getUint32(at, little) / view.getUint32(at + 4, little);
    case 6:
      return (at) => view.getInt8(at);
    case 8:
      return (at) => view.getInt16(at, little);
    case 9:
      return (at) => view.getInt32(at, little);
    case 10:
      return (at) => view.getInt32(at, little) / view.getInt32(at + 4, little);
    case 11:
      return (at) => view.getFloat32(at, little);
    case 12:
      return (at) => view.getFloat64(at, little);
    case 16:
    case 18:
      return (at) => uint64(view, { at, littleEndian: little });
    case 17:
      return (at) => Number(view.getBigInt64(at, little));
    default:
      return (at) => view.getUint8(at);
  }
}

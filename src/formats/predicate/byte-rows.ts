import { DataType, type Data } from "apache-arrow";

/** Where the bytes of a row lie: set by `seek`, so that no row allocates. */
export interface ByteRows {
  bytes: Uint8Array;
  start: number;
  end: number;
  seek(row: number): void;
}

const VIEW_WIDTH = 16;
/** Shorter strings lie in the view itself. */
const VIEW_INLINE = 12;

/** Text or bytes of any Arrow type that has them. */
export function byteRows(data: Data): ByteRows {
  if (DataType.isFixedSizeBinary(data.type)) return fixedRows(data, data.type.byteWidth);
  if (DataType.isUtf8View(data.type) || DataType.isBinaryView(data.type)) return viewRows(data);
  // Every other type with bytes has offsets, of 32 or 64 bits.
  const offsets: ArrayLike<number | bigint> = data.valueOffsets;
  // Without a bigint for every row where the offsets are numbers.
  const narrow = data.valueOffsets instanceof Int32Array ? data.valueOffsets : undefined;
  return {
    bytes: bytesOf(data),
    start: 0,
    end: 0,
    seek(row) {
      this.start = narrow === undefined ? Number(offsets[row] ?? 0) : (narrow[row] ?? 0);
      this.end = narrow === undefined ? Number(offsets[row + 1] ?? 0) : (narrow[row + 1] ?? 0);
    },
  };
}

/** A column without any bytes may have no buffer. */
function bytesOf(data: Data): Uint8Array {
  return (data.values as Uint8Array | undefined) ?? new Uint8Array();
}

function fixedRows(data: Data, width: number): ByteRows {
  return {
    bytes: bytesOf(data),
    start: 0,
    end: 0,
    seek(row) {
      this.start = row * width;
      this.end = this.start + width;
    },
  };
}

function viewRows(data: Data): ByteRows {
  const inline = bytesOf(data);
  const views = new DataView(inline.buffer, inline.byteOffset, inline.byteLength);
  return {
    bytes: inline,
    start: 0,
    end: 0,
    seek(row) {
      const at = row * VIEW_WIDTH;
      const length = views.getInt32(at, true);
      const short = length <= VIEW_INLINE;
      this.bytes = short ? inline : (data.variadicBuffers[views.getInt32(at + 8, true)] ?? new Uint8Array());
      this.start = short ? at + 4 : views.getInt32(at + 12, true);
      this.end = this.start + length;
    },
  };
}

/** By bytes, which for UTF-8 is by code points: less than 0, 0, or more. A prefix comes first. */
export function compareRow(rows: ByteRows, other: Uint8Array): number {
  const { bytes, start } = rows;
  const length = rows.end - start;
  const common = Math.min(length, other.length);
  for (let i = 0; i < common; i += 1) {
    const difference = (bytes[start + i] ?? 0) - (other[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return length - other.length;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

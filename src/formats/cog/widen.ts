import { RiffleError } from "../../errors.ts";
import type { SampleType } from "./sample-type.ts";

export interface StoredRows {
  readonly type: SampleType;
  readonly littleEndian: boolean;
  /** In one row, of all bands that lie together; a row begins on a whole byte. */
  readonly samplesPerRow: number;
  readonly rows: number;
}

/** Stored samples as little-endian ones of the result's width, beginning at a multiple of 8. The given bytes may be used up. */
export function widen(bytes: Uint8Array, rows: StoredRows): Uint8Array {
  const { type, littleEndian } = rows;
  const count = rows.samplesPerRow * rows.rows;
  if (type.kind === "complex integer") return complexFloats(bytes, { littleEndian, count, wide: type.bits === 64 });
  if (type.bits === type.bytes * 8) {
    const parts = type.kind.startsWith("complex") ? type.bytes / 2 : type.bytes;
    if (!littleEndian) swap(bytes, parts);
    return bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  }
  const output = new Uint8Array(count * type.bytes);
  if (type.kind === "float") widenFloats(bytes, { rows, output });
  else widenIntegers(bytes, { rows, output });
  return output;
}

function swap(bytes: Uint8Array, width: number): void {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length - (bytes.length % Math.max(1, width)));
  if (width === 2) whole.swap16();
  else if (width === 4) whole.swap32();
  else if (width === 8) whole.swap64();
}

/** GDAL's complex integers become floats, as for every reader that has no such type; none may lose digits. */
function complexFloats(
  bytes: Uint8Array,
  options: { readonly littleEndian: boolean; readonly count: number; readonly wide: boolean },
): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(options.count * 2);
  for (let i = 0; i < values.length; i += 1) {
    const value = options.wide
      ? view.getInt32(i * 4, options.littleEndian)
      : view.getInt16(i * 2, options.littleEndian);
    values[i] = value;
    if (values[i] !== value)
      throw new RiffleError("unsupported", `a complex integer part of ${value}: not exact as complex64`);
  }
  return new Uint8Array(values.buffer);
}

interface Widening {
  readonly rows: StoredRows;
  readonly output: Uint8Array;
}

function widenFloats(bytes: Uint8Array, { rows, output }: Widening): void {
  const { type, littleEndian, samplesPerRow } = rows;
  const values = new Float32Array(output.buffer);
  const raw = new Uint32Array(output.buffer);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = type.bits / 8;
  for (let i = 0; i < samplesPerRow * rows.rows; i += 1) {
    if (width === 2) values[i] = half(view.getUint16(i * 2, littleEndian));
    else {
      const [low, high] = littleEndian ? [0, 2] : [2, 0];
      const at = i * 3;
      raw[i] = float24((view.getUint8(at + high) << 16) | (view.getUint8(at + 1) << 8) | view.getUint8(at + low));
    }
  }
}

function half(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Sign, 7 bits of exponent (bias 63), 16 of fraction (TIFF technical note 3), as the bits of a float32. */
function float24(bits: number): number {
  const sign = (bits >>> 23) << 31;
  const exponent = (bits >>> 16) & 0x7f;
  const fraction = bits & 0xffff;
  if (exponent === 127) return (sign | 0x7f800000 | (fraction << 7)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent - 63 + 127) << 23) | (fraction << 7)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  const shift = Math.clz32(fraction) - 15;
  return (sign | ((1 - shift - 63 + 127) << 23) | (((fraction << shift) & 0xffff) << 7)) >>> 0;
}

/** The most significant bit first, whatever the byte order (TIFF 6.0, FillOrder); a row begins on a whole byte. */
function widenIntegers(bytes: Uint8Array, { rows, output }: Widening): void {
  const { type, samplesPerRow } = rows;
  const { bits } = type;
  const values =
    type.bytes === 1 ? output : type.bytes === 2 ? new Uint16Array(output.buffer) : new Uint32Array(output.buffer);
  const rowBytes = Math.ceil((samplesPerRow * bits) / 8);
  // signed samples are given as unsigned ones, as GDAL does, which is wrong for those below zero
  const negative = type.signed === true ? 2 ** (bits - 1) : Infinity;
  const samples = { samplesPerRow, rowBytes, rows: rows.rows, bits };
  if (bits === 1 && negative === Infinity) widenBits(bytes, { ...samples, values });
  else if (bits <= 16) widenShorts(bytes, { ...samples, values, negative });
  else widenLongs(bytes, { ...samples, values, negative });
}

interface Packed {
  readonly samplesPerRow: number;
  readonly rowBytes: number;
  readonly rows: number;
  readonly bits: number;
  readonly values: Uint8Array | Uint16Array | Uint32Array;
}

/** Scans of maps have hundreds of millions: eight at a time, by a table of all bytes. */
function widenBits(bytes: Uint8Array, { samplesPerRow, rowBytes, rows, values }: Packed): void {
  const spread = Uint8Array.from({ length: 256 * 8 }, (_, i) => ((i >> 3) >> (7 - (i & 7))) & 1);
  const eights = new Float64Array(spread.buffer);
  const line = new Float64Array(rowBytes);
  const samples = new Uint8Array(line.buffer, 0, samplesPerRow);
  for (let row = 0; row < rows; row += 1) {
    const from = row * rowBytes;
    for (let at = 0; at < rowBytes; at += 1) line[at] = eights[bytes[from + at] ?? 0] ?? 0;
    values.set(samples, row * samplesPerRow);
  }
}

/** Up to 16 bits: 24 are enough to hold on to, and integers do. */
function widenShorts(bytes: Uint8Array, packed: Packed & { readonly negative: number }): void {
  const { samplesPerRow, rowBytes, rows, bits, values, negative } = packed;
  const mask = 2 ** bits - 1;
  for (let row = 0, i = 0; row < rows; row += 1) {
    let at = row * rowBytes;
    let held = 0;
    let has = 0;
    for (let sample = 0; sample < samplesPerRow; sample += 1, i += 1) {
      while (has < bits) {
        held = ((held << 8) | (bytes[at] ?? 0)) & 0xff_ffff;
        at += 1;
        has += 8;
      }
      has -= bits;
      const value = (held >>> has) & mask;
      if (value >= negative) throw negativeSample(bits);
      values[i] = value;
    }
  }
}

/** Up to 31 bits: more may be held than an integer's operators take. */
function widenLongs(bytes: Uint8Array, packed: Packed & { readonly negative: number }): void {
  const { samplesPerRow, rowBytes, rows, bits, values, negative } = packed;
  for (let row = 0, i = 0; row < rows; row += 1) {
    let at = row * rowBytes;
    let held = 0;
    let has = 0;
    for (let sample = 0; sample < samplesPerRow; sample += 1, i += 1) {
      while (has < bits) {
        held = held * 256 + (bytes[at] ?? 0);
        at += 1;
        has += 8;
      }
      has -= bits;
      const unit = 2 ** has;
      const value = Math.floor(held / unit);
      if (value >= negative) throw negativeSample(bits);
      values[i] = value;
      held %= unit;
    }
  }
}

function negativeSample(bits: number): RiffleError {
  return new RiffleError("unsupported", `negative TIFF samples of ${bits} bits`);
}

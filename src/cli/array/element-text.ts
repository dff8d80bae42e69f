import { RiffleError } from "../../errors.ts";

/** How the elements of one type are written as JSON. */
export interface ElementText {
  readonly itemBytes: number;
  /** JSON of the element at a byte offset. */
  readonly text: (bytes: DataView, at: number) => string;
}

/** JSON has no words for these: they go out as strings. */
function float(value: number): string {
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

/** IEEE 754 binary16 and its relatives: `exponent` and `fraction` bits below a sign. */
function small(bits: number, exponent: number, fraction: number): number {
  const sign = (bits >> (exponent + fraction)) & 1 ? -1 : 1;
  const power = (bits >> fraction) & ((1 << exponent) - 1);
  const part = (bits & ((1 << fraction) - 1)) / 2 ** fraction;
  const bias = 2 ** (exponent - 1) - 1;
  if (power === 0) return sign * part * 2 ** (1 - bias);
  if (power === 2 * bias + 1) return part === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + part) * 2 ** (power - bias);
}

const NUMBERS: Readonly<Record<string, ElementText>> = {
  "|b1": { itemBytes: 1, text: (bytes, at) => String(bytes.getUint8(at) !== 0) },
  "|u1": { itemBytes: 1, text: (bytes, at) => String(bytes.getUint8(at)) },
  "|i1": { itemBytes: 1, text: (bytes, at) => String(bytes.getInt8(at)) },
  "<u2": { itemBytes: 2, text: (bytes, at) => String(bytes.getUint16(at, true)) },
  "<i2": { itemBytes: 2, text: (bytes, at) => String(bytes.getInt16(at, true)) },
  "<u4": { itemBytes: 4, text: (bytes, at) => String(bytes.getUint32(at, true)) },
  "<i4": { itemBytes: 4, text: (bytes, at) => String(bytes.getInt32(at, true)) },
  "<u8": { itemBytes: 8, text: (bytes, at) => String(bytes.getBigUint64(at, true)) },
  "<i8": { itemBytes: 8, text: (bytes, at) => String(bytes.getBigInt64(at, true)) },
  "<f2": { itemBytes: 2, text: (bytes, at) => float(small(bytes.getUint16(at, true), 5, 10)) },
  "<f4": { itemBytes: 4, text: (bytes, at) => float(bytes.getFloat32(at, true)) },
  "<f8": { itemBytes: 8, text: (bytes, at) => float(bytes.getFloat64(at, true)) },
  "<c8": { itemBytes: 8, text: (b, at) => `[${float(b.getFloat32(at, true))},${float(b.getFloat32(at + 4, true))}]` },
  "<c16": { itemBytes: 16, text: (b, at) => `[${float(b.getFloat64(at, true))},${float(b.getFloat64(at + 8, true))}]` },
  bfloat16: { itemBytes: 2, text: (bytes, at) => float(small(bytes.getUint16(at, true), 8, 7)) },
};

/** `YYYY-MM-DD...` would lose units: times are the stored counts, and no-time is null. */
function count(bytes: DataView, at: number): string {
  const value = bytes.getBigInt64(at, true);
  return value === -(2n ** 63n) ? "null" : String(value);
}

/** Code points, without the padding at the end; what is no code point shows as U+FFFD. */
function characters(bytes: DataView, at: number, itemBytes: number): string {
  let text = "";
  for (let offset = at; offset < at + itemBytes; offset += 4) {
    const point = bytes.getUint32(offset, true);
    text += point > 0x10ffff ? "\ufffd" : String.fromCodePoint(point);
  }
  return JSON.stringify(text.replace(/\0+$/, ""));
}

function bytesOf(bytes: DataView, at: number, itemBytes: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, itemBytes);
}

/**
 * JSON of the elements of a NumPy type (`dtype.str`): numbers with all their digits, complex ones as pairs, `NaN` and the
 * infinities as strings, text without its padding, structures and raw bytes in hexadecimal. Throws `unsupported`.
 */
export function elementText(dtype: string): ElementText {
  const number = NUMBERS[dtype];
  if (number !== undefined) return number;
  const [, kind = "", digits = ""] = /^[<|]([USVMm])(\d{1,9})(?:\[\w+\])?$/.exec(dtype) ?? [];
  const size = Number(digits);
  if (kind === "U") return { itemBytes: size * 4, text: (bytes, at) => characters(bytes, at, size * 4) };
  if ((kind === "M" || kind === "m") && size === 8) return { itemBytes: 8, text: count };
  if (kind === "S") {
    const text = (bytes: DataView, at: number): string => bytesOf(bytes, at, size).toString().replace(/\0+$/, "");
    return { itemBytes: size, text: (bytes, at) => JSON.stringify(text(bytes, at)) };
  }
  if (kind === "V") {
    return { itemBytes: size, text: (bytes, at) => `"${bytesOf(bytes, at, size).toString("hex")}"` };
  }
  throw new RiffleError("unsupported", `elements of type ${dtype} have no spelling in JSON`, {
    hint: "--format npy gives their bytes, where NumPy has the type",
    facts: { dtype },
  });
}

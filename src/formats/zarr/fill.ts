import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import type { ZarrType } from "./types.ts";

/** What an element is where no chunk is stored: little-endian bytes, or a text. */
export type Fill = Uint8Array | string;

const NAMED: ReadonlyMap<string, number> = new Map([
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
]);

/** The fill value of either version; null, of version 2, is all zeros. Throws `malformed` for what is none of the type. */
export function fillOf(value: unknown, type: ZarrType): Fill {
  if (type.kind !== "fixed") {
    if (typeof value !== "string") return "";
    return type.kind === "text" ? value : Buffer.from(value, "base64").toString("latin1");
  }
  const { dtype, itemBytes } = type.type;
  const bytes = new Uint8Array(itemBytes);
  if (value === null || value === undefined) return bytes;
  const kind = dtype === "bfloat16" ? "bfloat16" : (dtype[1] ?? "");
  if (kind === "U" || kind === "S" || kind === "V") return textFill(value, { kind, bytes });
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value];
  const width = kind === "c" ? itemBytes / 2 : itemBytes;
  for (const [i, part] of parts.slice(0, itemBytes / width).entries()) {
    writeNumber(bytes.subarray(i * width, (i + 1) * width), { part, kind });
  }
  return bytes;
}

function textFill(value: unknown, { kind, bytes }: { readonly kind: string; readonly bytes: Uint8Array }): Uint8Array {
  const text = typeof value === "number" ? String(value) : value;
  if (Array.isArray(text))
    bytes.set(text.filter((one): one is number => typeof one === "number").slice(0, bytes.length));
  if (typeof text !== "string") return bytes;
  if (kind === "U") {
    const view = viewOf(bytes);
    for (const [i, character] of Array.from(text)
      .slice(0, bytes.length / 4)
      .entries()) {
      view.setUint32(i * 4, character.codePointAt(0) ?? 0, true);
    }
    return bytes;
  }
  const stored = typeof value === "number" ? Buffer.from(text) : Buffer.from(text, "base64");
  bytes.set(stored.subarray(0, bytes.length));
  return bytes;
}

function writeNumber(bytes: Uint8Array, { part, kind }: { readonly part: unknown; readonly kind: string }): void {
  const view = viewOf(bytes);
  const hex = typeof part === "string" && /^0x[0-9a-fA-F]{1,16}$/.test(part) ? BigInt(part) : undefined;
  const isFloat = kind === "f" || kind === "c";
  if (hex !== undefined && hex < 1n << BigInt(bytes.length * 8)) {
    writeInteger(view, hex);
    return;
  }
  if (isFloat || kind === "bfloat16") {
    const number =
      typeof part === "string" ? (NAMED.get(part) ?? (part.trim() === "" ? NaN : Number(part))) : Number(part);
    if (typeof part === "string" && Number.isNaN(number) && part !== "NaN") throw notOfType(part);
    if (bytes.length === 8) view.setFloat64(0, number, true);
    else if (bytes.length === 4) view.setFloat32(0, number, true);
    else if (bytes.length === 2) view.setUint16(0, kind === "f" ? half(number) : bfloat(number), true);
    else if (number !== 0) throw new RiffleError("unsupported", `a fill value of ${bytes.length} bytes`);
    return;
  }
  if (part === "NaT") writeInteger(view, -(1n << 63n));
  else if (typeof part === "boolean") writeInteger(view, part ? 1n : 0n);
  else if (typeof part === "number" && Number.isInteger(part)) writeInteger(view, BigInt(part));
  else if (typeof part === "string" && /^-?\d{1,20}$/.test(part)) writeInteger(view, BigInt(part));
  else throw notOfType(part);
}

function notOfType(part: unknown): RiffleError {
  return new RiffleError("malformed", `the fill value ${JSON.stringify(part)} is none of its array's type`);
}

function writeInteger(view: DataView, value: bigint): void {
  for (let i = 0; i < view.byteLength; i += 1) view.setUint8(i, Number((value >> BigInt(i * 8)) & 255n));
}

/** The nearest number of 16 bits, ties to even (IEEE 754 binary16). */
function half(number: number): number {
  const sign = number < 0 || Object.is(number, -0) ? 0x8000 : 0;
  const size = Math.abs(number);
  if (Number.isNaN(number)) return 0x7e00;
  if (size >= 65_520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(size || Number.MIN_VALUE)));
  const scaled = roundToEven(size / 2 ** (exponent - 10));
  // A fraction that was rounded up to the next power carries into the exponent by itself.
  return sign | (scaled < 1024 ? scaled : ((exponent + 14) << 10) + scaled);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Cut, not rounded: fill values are small numbers that fit. */
function bfloat(number: number): number {
  return viewOf(new Uint8Array(Float32Array.of(number).buffer)).getUint16(2, true);
}

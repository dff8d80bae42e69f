import { RiffleError } from "../../errors.ts";
import type { Samples } from "../raster.ts";
import type { TiffImage } from "./image.ts";

/** What samples are stored as, and what they become. */
export interface SampleType {
  /** As `RasterBand.type`. */
  readonly name: string;
  readonly kind: "unsigned" | "signed" | "float" | "complex integer" | "complex float";
  /** Of one stored sample; a complex one counts both parts. */
  readonly bits: number;
  /** Signed samples of an odd width, which have an unsigned `kind`. */
  readonly signed?: boolean;
  /** Of one result. */
  readonly bytes: 1 | 2 | 4 | 8 | 16;
}

const FLOATS: Readonly<Record<number, SampleType>> = {
  16: { name: "float32", kind: "float", bits: 16, bytes: 4 },
  24: { name: "float32", kind: "float", bits: 24, bytes: 4 },
  32: { name: "float32", kind: "float", bits: 32, bytes: 4 },
  64: { name: "float64", kind: "float", bits: 64, bytes: 8 },
};

const COMPLEX: Readonly<Record<string, SampleType>> = {
  "5 32": { name: "complex64", kind: "complex integer", bits: 32, bytes: 8 },
  "5 64": { name: "complex64", kind: "complex integer", bits: 64, bytes: 8 },
  "6 64": { name: "complex64", kind: "complex float", bits: 64, bytes: 8 },
  "6 128": { name: "complex128", kind: "complex float", bits: 128, bytes: 16 },
};

/**
 * Samples of odd widths are widened as GDAL widens them: to 8, 16 or 32 bits without sign, halves and 24-bit floats to
 * `float32`, complex integers to `complex64`. Throws `unsupported` naming the type.
 */
export function sampleType(image: TiffImage): SampleType {
  const bits = image.bits[0] ?? 1;
  const format = image.sampleFormat[0] ?? 1;
  const uniform = image.bits.every((one) => one === bits) && image.sampleFormat.every((one) => one === format);
  if (!uniform) {
    throw new RiffleError(
      "unsupported",
      `samples of different types in one TIFF image (${image.bits.join(", ")} bits)`,
    );
  }
  const type = typeOf(bits, format);
  if (type === undefined) {
    throw new RiffleError("unsupported", `TIFF samples of ${bits} bits in sample format ${format}`, {
      facts: { bits, sampleFormat: format },
    });
  }
  return type;
}

function typeOf(bits: number, format: number): SampleType | undefined {
  if (format === 3) return FLOATS[bits];
  if (format === 5 || format === 6) return COMPLEX[`${format} ${bits}`];
  const whole = bits === 8 || bits === 16 || bits === 32 || bits === 64;
  if (format !== 1 && format !== 2 && format !== 4) return undefined;
  if (!whole && !(Number.isInteger(bits) && bits >= 1 && bits < 32)) return undefined;
  const bytes = wholeBytes(bits);
  if (format !== 2) return { name: `uint${bytes * 8}`, kind: "unsigned", bits, bytes };
  if (whole) return { name: `int${bytes * 8}`, kind: "signed", bits, bytes };
  return { name: `uint${bytes * 8}`, kind: "unsigned", bits, bytes, signed: true };
}

function wholeBytes(bits: number): 1 | 2 | 4 | 8 {
  if (bits <= 8) return 1;
  if (bits <= 16) return 2;
  return bits <= 32 ? 4 : 8;
}

/** Samples over bytes in this machine's order; two numbers for each complex value. The bytes begin at a multiple of 8. */
export function samplesOver(name: string, bytes: Uint8Array): Samples {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (name) {
    case "uint8":
      return bytes;
    case "int8":
      return new Int8Array(buffer, byteOffset, byteLength);
    case "uint16":
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case "int16":
      return new Int16Array(buffer, byteOffset, byteLength / 2);
    case "uint32":
      return new Uint32Array(buffer, byteOffset, byteLength / 4);
    case "int32":
      return new Int32Array(buffer, byteOffset, byteLength / 4);
    case "uint64":
      return new BigUint64Array(buffer, byteOffset, byteLength / 8);
    case "int64":
      return new BigInt64Array(buffer, byteOffset, byteLength / 8);
    case "float32":
    case "complex64":
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case "float64":
    case "complex128":
      return new Float64Array(buffer, byteOffset, byteLength / 8);
    default:
      throw new RiffleError("internal", `no samples are called ${name}`);
  }
}

import { crc32 } from "node:zlib";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";

type Checksum = (bytes: Uint8Array) => number;

const CHECKSUMS: Readonly<Record<string, Checksum>> = { crc32, crc32c, adler32, fletcher32 };
/** Where numcodecs puts it when nothing is said. */
const AT_START: ReadonlySet<string> = new Set(["crc32", "adler32"]);
const CHECKSUM_BYTES = 4;

export function isChecksum(name: string): boolean {
  return Object.hasOwn(CHECKSUMS, name);
}

/** The bytes without their checksum, which holds; else `malformed`. */
export function checked(
  bytes: Uint8Array,
  { name, location }: { readonly name: string; readonly location: unknown },
): Uint8Array {
  if (bytes.length < CHECKSUM_BYTES)
    throw new RiffleError("malformed", `a chunk is too short for its ${name} checksum`);
  const isStart = location === "start" || (location !== "end" && AT_START.has(name));
  const content = isStart ? bytes.subarray(CHECKSUM_BYTES) : bytes.subarray(0, -CHECKSUM_BYTES);
  const stored = viewOf(bytes).getUint32(isStart ? 0 : bytes.length - CHECKSUM_BYTES, true);
  if (CHECKSUMS[name]?.(content) !== stored)
    throw new RiffleError("malformed", `the ${name} checksum of a chunk does not hold`);
  return content;
}

/** Castagnoli's polynomial, lowest bit first (RFC 3720, appendix B.4). */
export function crc32c(bytes: Uint8Array): number {
  const table = Uint32Array.from({ length: 256 }, (_, i) => {
    let value = i;
    for (let bit = 0; bit < 8; bit += 1) value = (value & 1) === 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    return value >>> 0;
  });
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ (table[(sum ^ byte) & 255] ?? 0);
  return (sum ^ 0xffffffff) >>> 0;
}

/** RFC 1950, section 9. */
function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return ((b << 16) | a) >>> 0;
}

/** As the HDF5 library has it: 16-bit words with the high byte first, an odd byte as a high one. */
function fletcher32(bytes: Uint8Array): number {
  let a = 0;
  let b = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    a = fold(a + (((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)));
    b = fold(b + a);
  }
  return ((b << 16) | a) >>> 0;
}

/** One's complement: 65,535 is not 0 here. */
function fold(sum: number): number {
  return (sum & 0xffff) + (sum >>> 16);
}

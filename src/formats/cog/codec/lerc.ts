import { RiffleError } from "../../../errors.ts";
import { decodeDeflate } from "./deflate.ts";
import { decodeZstd } from "./zstd.ts";

export interface LercUnit {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly sampleBytes: number;
  readonly isFloat: boolean;
  readonly planar: number;
  /** What was done after LERC: 0 nothing, 1 deflate, 2 zstd (the second value of the LercParameters tag). */
  readonly after: number;
}

/** Bytes of LERC's value types, from signed char to double. */
const TYPE_BYTES: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 8];

/**
 * One LERC2 blob (Esri's LERC, "LERC2 format"), little-endian, samples interleaved. Pixels that its mask leaves out are NaN in
 * floats and 0 in integers, as in libtiff. Throws `malformed` or `unsupported`.
 */
export async function decodeLerc(input: Uint8Array, unit: LercUnit): Promise<Uint8Array> {
  const length = unit.width * unit.height * unit.samples * unit.sampleBytes;
  const blob = await unwrap(input, { after: unit.after, length });
  const header = headerOf(blob);
  const fits =
    header.width === unit.width &&
    header.height === unit.height &&
    header.depth === unit.samples &&
    TYPE_BYTES[header.type] === unit.sampleBytes;
  if (!fits) throw new RiffleError("malformed", "a LERC blob's size or type is not that of its unit");
  const { getDecoder } = await import("geotiff");
  let decoded: Uint8Array;
  try {
    const decoder = await getDecoder(34887, {
      tileWidth: unit.width,
      tileHeight: unit.height,
      predictor: 1,
      bitsPerSample: unit.sampleBytes * 8,
      planarConfiguration: unit.planar,
      // the decoder's type does not list what it reads: no further compression
      ...({ LercParameters: [4, 0] } as object),
    });
    decoded = new Uint8Array(await decoder.decode(new Uint8Array(blob).buffer));
  } catch (error) {
    throw new RiffleError("malformed", `a LERC blob is damaged (${error instanceof Error ? error.message : "?"})`, {
      cause: error,
    });
  }
  if (decoded.length !== length) throw new RiffleError("malformed", "a LERC blob decodes to a wrong length");
  if (unit.isFloat && header.valid < unit.width * unit.height) blank(decoded, { unit, mask: maskOf(blob, header) });
  return decoded;
}

/** LERC itself has no upper bound on its length; three times the pixels and a page is more than any encoder makes. */
async function unwrap(
  input: Uint8Array,
  how: { readonly after: number; readonly length: number },
): Promise<Uint8Array> {
  if (how.after === 0) return input;
  if (how.after === 1) return decodeDeflate(input, how.length * 3 + 4096);
  if (how.after !== 2) throw new RiffleError("unsupported", `LERC followed by compression ${how.after}`);
  const length = zstdContentSize(input);
  if (length === undefined || length > how.length * 3 + 4096) {
    throw new RiffleError("malformed", "the zstd frame around a LERC blob does not tell a believable length");
  }
  return decodeZstd(input, length);
}

/** RFC 8878 section 3.1.1.1. */
function zstdContentSize(input: Uint8Array): number | undefined {
  if (input.length < 14) return undefined;
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (view.getUint32(0, true) !== 0xfd2fb528) return undefined;
  const descriptor = view.getUint8(4);
  const single = (descriptor >> 5) & 1;
  const at = 5 + (1 - single) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  switch (descriptor >> 6) {
    case 0:
      return single === 1 ? view.getUint8(at) : undefined;
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return at + 8 <= input.length ? Number(view.getBigUint64(at, true)) : undefined;
  }
}

interface LercHeader {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly valid: number;
  readonly type: number;
  /** Where the length of the mask stands. */
  readonly maskAt: number;
}

function headerOf(blob: Uint8Array): LercHeader {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const magic = Buffer.from(blob.subarray(0, 6)).toString("latin1");
  const version = blob.length >= 70 ? view.getInt32(6, true) : 0;
  if (magic !== "Lerc2 " || version < 2) throw new RiffleError("unsupported", "LERC in a form before LERC2 version 2");
  if (version > 6) throw new RiffleError("unsupported", `LERC2 version ${version}`);
  let at = version >= 3 ? 14 : 10;
  const int = (): number => {
    at += 4;
    return view.getInt32(at - 4, true);
  };
  const height = int();
  const width = int();
  const depth = version >= 4 ? int() : 1;
  const valid = int();
  int();
  int();
  const type = int();
  if (version >= 6) at += 8;
  return { width, height, depth, valid, type, maskAt: at + 24 + (version >= 6 ? 16 : 0) };
}

/** One bit a pixel, most significant first; run lengths of 16 bits, negative ones repeat a byte. */
function maskOf(blob: Uint8Array, header: LercHeader): Uint8Array {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const mask = new Uint8Array(Math.ceil((header.width * header.height) / 8));
  const damaged = (): RiffleError => new RiffleError("malformed", "the mask of a LERC blob is damaged");
  if (header.maskAt + 4 > blob.length) throw damaged();
  const end = header.maskAt + 4 + view.getInt32(header.maskAt, true);
  if (header.valid === 0) return mask;
  if (end > blob.length) throw damaged();
  let written = 0;
  for (let at = header.maskAt + 4; at + 2 < end && written < mask.length;) {
    const run = view.getInt16(at, true);
    if (run === -32768) break;
    const count = Math.abs(run);
    if (written + count > mask.length || at + 2 + (run < 0 ? 1 : count) > end) throw damaged();
    if (run < 0) mask.fill(view.getUint8(at + 2), written, written + count);
    else mask.set(blob.subarray(at + 2, at + 2 + count), written);
    at += 2 + (run < 0 ? 1 : count);
    written += count;
  }
  if (written !== mask.length) throw damaged();
  return mask;
}

function blank(pixels: Uint8Array, how: { readonly unit: LercUnit; readonly mask: Uint8Array }): void {
  const { unit, mask } = how;
  const values =
    unit.sampleBytes === 4
      ? new Float32Array(pixels.buffer, pixels.byteOffset)
      : new Float64Array(pixels.buffer, pixels.byteOffset);
  for (let pixel = 0; pixel < unit.width * unit.height; pixel += 1) {
    if (((mask[pixel >> 3] ?? 0) & (0x80 >> (pixel & 7))) === 0) {
      values.fill(NaN, pixel * unit.samples, (pixel + 1) * unit.samples);
    }
  }
}

import { RiffleError } from "../../errors.ts";
import { decodeDeflate } from "./codec/deflate.ts";
import { decodeJpeg } from "./codec/jpeg.ts";
import { decodeLerc } from "./codec/lerc.ts";
import { decodeLzw } from "./codec/lzw.ts";
import { decodePackBits } from "./codec/packbits.ts";
import { decodeZstd } from "./codec/zstd.ts";
import type { TiffImage } from "./image.ts";
import { unpredict } from "./predictor.ts";
import type { SampleType } from "./sample-type.ts";
import { compressionName, isCompression, PHOTOMETRIC } from "./tags.ts";
import { widen } from "./widen.ts";

/** An image's way of storing units, made once. */
export interface UnitForm {
  readonly image: TiffImage;
  readonly type: SampleType;
  readonly littleEndian: boolean;
  /** Samples of a pixel in one unit. */
  readonly samples: number;
  /** Stored, of one row of a unit. */
  readonly rowBytes: number;
  readonly jpegTables: Uint8Array | undefined;
  /** What follows LERC. */
  readonly afterLerc: number;
}

const DECODED: ReadonlySet<number> = new Set([1, 5, 7, 8, 32773, 32946, 34887, 34926, 50000]);

/** Throws `unsupported` naming what the units need: all that have bytes, or with `sparse` those that have none. */
export function checkDecodable({ image, type }: UnitForm, sparse = false): void {
  const { compression, photometric, predictor } = image;
  const name = compressionName(compression);
  if (sparse && isCompression(compression)) return;
  if (!DECODED.has(compression)) {
    throw new RiffleError("unsupported", `TIFF compression ${name} (${compression}) cannot be decoded`, {
      facts: { compression, name },
    });
  }
  if (photometric === PHOTOMETRIC.ycbcr && (compression !== 7 || image.planar === 2)) {
    const how = image.planar === 2 ? "in separate planes" : `with TIFF compression ${name}`;
    throw new RiffleError("unsupported", `YCbCr colours ${how} cannot be decoded`);
  }
  if (predictor !== 1 && predictor !== 2 && predictor !== 3) {
    throw new RiffleError("malformed", `the TIFF's predictor is ${predictor}`);
  }
  if (compression === 7 && (type.bits !== 8 || type.kind === "signed")) {
    throw new RiffleError("unsupported", `JPEG in TIFF with samples of ${type.bits} bits`);
  }
}

/** Whether rows of a unit lie where arithmetic says, so that some can be read without the others. */
export function hasPlainRows(image: TiffImage): boolean {
  return image.compression === 1;
}

/**
 * `rows` rows of a unit (all of it, unless it has plain rows), as little-endian samples of the result's width. What the unit
 * decodes to must be long enough: throws `malformed` when it is not, never gives pixels that are not in the file.
 */
export async function decodeUnit(
  input: Uint8Array,
  options: { readonly form: UnitForm; readonly rows: number },
): Promise<Uint8Array> {
  const { form, rows } = options;
  const { image, type, samples, rowBytes } = form;
  const length = rowBytes * rows;
  const raw = await decompress(input, { form, rows, length });
  if (raw.length < length) {
    throw new RiffleError("malformed", `a unit decodes to ${raw.length} bytes where ${length} are needed`, {
      facts: { compression: compressionName(image.compression), got: raw.length, needed: length },
    });
  }
  const whole = raw.length === length ? raw : raw.subarray(0, length);
  // these two give samples, not stored bytes
  const isDirect = image.compression === 7 || image.compression === 34887;
  const { bytes, littleEndian } = isDirect
    ? { bytes: whole, littleEndian: true }
    : unpredict(whole, {
        predictor: image.compression === 1 || image.compression === 32773 ? 1 : image.predictor,
        stride: samples,
        bits: type.bits,
        isFloat: type.kind === "float",
        rowBytes,
        littleEndian: form.littleEndian,
      });
  if (image.compression === 7 && image.photometric === PHOTOMETRIC.ycbcr && samples === 3) ycbcrToRgb(bytes);
  return widen(bytes, { type, littleEndian, samplesPerRow: image.unitWidth * samples, rows });
}

interface Decompression {
  readonly form: UnitForm;
  readonly rows: number;
  readonly length: number;
}

async function decompress(input: Uint8Array, { form, rows, length }: Decompression): Promise<Uint8Array> {
  const { image, type, samples } = form;
  const { compression } = image;
  const bytes = image.fillOrder === 2 && compression !== 7 ? reversed(input) : input;
  switch (compression) {
    case 1:
      return bytes;
    case 5:
      return decodeLzw(bytes, length);
    case 7:
      return decodeJpeg(bytes, { width: image.unitWidth, height: rows, samples, tables: form.jpegTables });
    case 8:
    case 32946:
      return decodeDeflate(bytes, length);
    case 32773:
      return decodePackBits(bytes, length);
    case 34887:
      return decodeLerc(bytes, {
        width: image.unitWidth,
        height: rows,
        samples,
        sampleBytes: type.bytes,
        isFloat: type.kind === "float",
        planar: image.planar,
        after: form.afterLerc,
      });
    default:
      return decodeZstd(bytes, length);
  }
}

/** FillOrder 2: the least significant bit of each byte comes first. */
function reversed(bytes: Uint8Array): Uint8Array {
  const turned = Uint8Array.from({ length: 256 }, (_, byte) => {
    const pairs = ((byte & 0x55) << 1) | ((byte >> 1) & 0x55);
    const fours = ((pairs & 0x33) << 2) | ((pairs >> 2) & 0x33);
    return ((fours & 0x0f) << 4) | (fours >> 4);
  });
  const result = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += 1) result[at] = turned[bytes[at] ?? 0] ?? 0;
  return result;
}

/** ITU T.871 (JFIF) section 7, in place. */
function ycbcrToRgb(bytes: Uint8Array): void {
  const clamped = new Uint8ClampedArray(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 2 < bytes.length; at += 3) {
    const y = bytes[at] ?? 0;
    const blue = (bytes[at + 1] ?? 0) - 128;
    const red = (bytes[at + 2] ?? 0) - 128;
    clamped[at] = y + 1.402 * red;
    clamped[at + 1] = y - 0.344136 * blue - 0.714136 * red;
    clamped[at + 2] = y + 1.772 * blue;
  }
}

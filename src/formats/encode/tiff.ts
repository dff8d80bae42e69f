import { promisify } from "node:util";
import { deflate } from "node:zlib";
import { RiffleError } from "../../errors.ts";
import type { RasterMetadata, RasterReader, RasterWindow } from "../raster.ts";
import { openResult, sampleBytesOf, type EncodeOptions, type RasterResult } from "./raster-result.ts";
import { directoryBytes, encodeDirectory, geoTags, sampleTags, type Tag } from "./tiff-tags.ts";

export interface TiffOptions extends EncodeOptions {
  /** Default: deflate for results of up to 256 MiB, which are held in memory then; larger ones stream uncompressed. */
  readonly compression?: "none" | "deflate";
}

/** Results that are compressed are written when they are whole: their strips' lengths stand before them. */
const HELD_BYTES = 256 * 1024 * 1024;
const STRIP_BYTES = 256 * 1024;
/** Classic TIFF's offsets have 32 bits. */
const CLASSIC_BYTES = 2 ** 32 - 2 ** 20;

const compress = promisify(deflate);

interface Shape {
  readonly result: RasterResult;
  readonly rowBytes: number;
  readonly rowsPerStrip: number;
  readonly strips: number;
  readonly big: boolean;
  readonly hasMask: boolean;
}

/**
 * The result of a query as a striped GeoTIFF, bands interleaved by pixel, its georeference, nodata and names of bands kept; a
 * mask that is no band becomes an internal mask. BigTIFF where it must be. Memory is bounded.
 */
export async function* encodeTiff(reader: RasterReader, options: TiffOptions = {}): AsyncGenerator<Uint8Array> {
  const result = await openResult(reader, options);
  const { width, height, bands, sampleBytes } = result;
  const rowBytes = width * bands.length * sampleBytes;
  const rowsPerStrip = Math.min(height, Math.max(1, Math.floor(STRIP_BYTES / rowBytes)));
  const raw = rowBytes * height;
  const shape: Shape = {
    result,
    rowBytes,
    rowsPerStrip,
    strips: Math.ceil(height / rowsPerStrip),
    big: raw * 1.01 + Math.ceil(width / 8) * height > CLASSIC_BYTES,
    hasMask: result.first.mask !== undefined && bands.every(({ meaning }) => meaning !== "alpha"),
  };
  const compression = options.compression ?? (raw <= HELD_BYTES ? "deflate" : "none");
  if (compression === "none") yield* streamed(reader.metadata, shape);
  else yield* held(reader.metadata, shape);
}

async function* streamed(metadata: RasterMetadata, shape: Shape): AsyncGenerator<Uint8Array> {
  const { result, rowBytes, rowsPerStrip, strips } = shape;
  const lengths = Array.from(
    { length: strips },
    (_, i) => rowBytes * Math.min(rowsPerStrip, result.height - i * rowsPerStrip),
  );
  const mask = shape.hasMask ? new MaskBits(result) : undefined;
  yield headOf(metadata, { shape, lengths, compression: 1, maskBytes: mask?.bytes.length });
  for await (const strip of interleavedStrips(shape, mask)) yield strip;
  if (mask !== undefined) yield mask.bytes;
}

async function* held(metadata: RasterMetadata, shape: Shape): AsyncGenerator<Uint8Array> {
  const mask = shape.hasMask ? new MaskBits(shape.result) : undefined;
  const strips: Uint8Array[] = [];
  for await (const strip of interleavedStrips(shape, mask)) strips.push(await compress(strip));
  const maskBytes = mask && (await compress(mask.bytes));
  const lengths = strips.map(({ length }) => length);
  yield headOf(metadata, { shape, lengths, compression: 8, maskBytes: maskBytes?.length });
  yield* strips;
  if (maskBytes !== undefined) yield maskBytes;
}

interface Written {
  readonly shape: Shape;
  readonly lengths: readonly number[];
  readonly compression: number;
  readonly maskBytes: number | undefined;
}

/** Header and directories: all that stands before the strips. */
function headOf(metadata: RasterMetadata, written: Written): Uint8Array {
  const { shape, lengths, compression, maskBytes } = written;
  const { result, big } = shape;
  const { width, height, bands } = result;
  const at = big ? 16 : 8;
  const offsetType = big ? 16 : 4;
  const common: readonly Tag[] = [
    { tag: 256, type: 4, values: [width] },
    { tag: 257, type: 4, values: [height] },
    { tag: 259, type: 3, values: [compression] },
  ];
  const tagsFor = (offsets: readonly number[]): readonly Tag[] => [
    ...common,
    ...sampleTags(bands, result.sampleBytes),
    { tag: 273, type: offsetType, values: offsets },
    { tag: 278, type: 4, values: [shape.rowsPerStrip] },
    { tag: 279, type: offsetType, values: lengths },
    ...geoTags(metadata, { transform: result.first.transform, bands }),
  ];
  const maskTagsFor = (offset: number): readonly Tag[] => [
    { tag: 254, type: 4, values: [4] },
    ...common,
    { tag: 258, type: 3, values: [1] },
    { tag: 262, type: 3, values: [4] },
    { tag: 273, type: offsetType, values: [offset] },
    { tag: 277, type: 3, values: [1] },
    { tag: 278, type: 4, values: [height] },
    { tag: 279, type: offsetType, values: [maskBytes ?? 0] },
  ];
  const mainBytes = directoryBytes(tagsFor(lengths), big);
  const maskAt = at + mainBytes;
  const dataAt = maskAt + (maskBytes === undefined ? 0 : directoryBytes(maskTagsFor(0), big));
  let next = dataAt;
  const offsets = lengths.map((length) => (next += length) - length);
  const head = new Uint8Array(dataAt);
  head.set(header(big, at));
  head.set(encodeDirectory(tagsFor(offsets), { at, big, next: maskBytes === undefined ? 0 : maskAt }), at);
  if (maskBytes !== undefined) head.set(encodeDirectory(maskTagsFor(next), { at: maskAt, big, next: 0 }), maskAt);
  return head;
}

function header(big: boolean, first: number): Uint8Array {
  const bytes = Buffer.alloc(big ? 16 : 8);
  bytes.write("II", "latin1");
  bytes.writeUInt16LE(big ? 43 : 42, 2);
  if (big) {
    bytes.writeUInt16LE(8, 4);
    bytes.writeBigUInt64LE(BigInt(first), 8);
  } else bytes.writeUInt32LE(first, 4);
  return bytes;
}

/** One bit a pixel, rows on whole bytes. */
class MaskBits {
  readonly bytes: Uint8Array;
  readonly #rowBytes: number;

  constructor({ width, height }: RasterResult) {
    this.#rowBytes = Math.ceil(width / 8);
    if (this.#rowBytes * height > HELD_BYTES)
      throw new RiffleError("unsupported", "a mask of this size is not written");
    this.bytes = new Uint8Array(this.#rowBytes * height);
  }

  add({ row, rows, width, mask }: RasterWindow): void {
    for (let y = 0; y < rows; y += 1) {
      for (let x = 0; x < width; x += 1) {
        if ((mask?.[y * width + x] ?? 255) === 0) continue;
        const at = (row + y) * this.#rowBytes + (x >> 3);
        this.bytes[at] = (this.bytes[at] ?? 0) | (0x80 >> (x & 7));
      }
    }
  }
}

async function* interleavedStrips(shape: Shape, mask: MaskBits | undefined): AsyncGenerator<Uint8Array> {
  const { result, rowBytes, rowsPerStrip } = shape;
  let strip = new Uint8Array(rowBytes * Math.min(rowsPerStrip, result.height));
  let filled = 0;
  for await (const window of result.windows()) {
    mask?.add(window);
    for (let row = 0; row < window.rows;) {
      const rows = Math.min(window.rows - row, (strip.length - filled) / rowBytes);
      interleave(window, {
        row,
        rows,
        into: strip.subarray(filled, filled + rows * rowBytes),
        width: result.sampleBytes,
      });
      filled += rows * rowBytes;
      row += rows;
      if (filled < strip.length) continue;
      yield strip;
      const left = result.height - (window.row + row);
      strip = new Uint8Array(rowBytes * Math.min(rowsPerStrip, left));
      filled = 0;
    }
  }
}

interface Interleaving {
  readonly row: number;
  readonly rows: number;
  readonly into: Uint8Array;
  /** Of one sample. */
  readonly width: number;
}

function interleave(window: RasterWindow, { row, rows, into, width }: Interleaving): void {
  const count = window.bands.length;
  const from = row * window.width * width;
  const bytes = rows * window.width * width;
  for (const [band, samples] of window.bands.entries()) {
    const source = sampleBytesOf(samples).subarray(from, from + bytes);
    if (count === 1) into.set(source);
    else {
      for (let at = 0, to = band * width; at < bytes; at += width, to += count * width) {
        for (let i = 0; i < width; i += 1) into[to + i] = source[at + i] ?? 0;
      }
    }
  }
}

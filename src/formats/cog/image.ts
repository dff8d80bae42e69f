import { RiffleError } from "../../errors.ts";
import type { Directory } from "./directory.ts";
import { numbersOf, type Field, type Layout } from "./field.ts";
import type { IndexBytes } from "./index-bytes.ts";
import { TAG } from "./tags.ts";

/** What one directory says of its pixels. Counts and sizes are as the file has them, positive, and not yet believed. */
export interface TiffImage {
  readonly directory: Directory;
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  /** One for each sample, or fewer where the file gives fewer. */
  readonly bits: readonly number[];
  /** 1 unsigned, 2 signed, 3 float, 4 undefined, 5 complex integer, 6 complex float. */
  readonly sampleFormat: readonly number[];
  readonly extraSamples: readonly number[];
  readonly compression: number;
  readonly photometric: number | undefined;
  /** 1: samples of a pixel lie together; 2: each band has units of its own. */
  readonly planar: number;
  readonly predictor: number;
  readonly fillOrder: number;
  /** Bit 0: reduced image; bit 2: mask. */
  readonly subfileType: number;
  readonly tiled: boolean;
  /** Of a tile, or of a strip. */
  readonly unitWidth: number;
  readonly unitHeight: number;
  /** Units across and down, for one band where `planar` is 2. */
  readonly across: number;
  readonly down: number;
  readonly offsets: Field | undefined;
  readonly counts: Field | undefined;
}

const SMALL_BYTES = 64 * 1024;
const DESCRIBING: readonly number[] = [
  TAG.subfileType,
  TAG.width,
  TAG.height,
  TAG.bits,
  TAG.compression,
  TAG.photometric,
  TAG.fillOrder,
  TAG.samples,
  TAG.rowsPerStrip,
  TAG.planar,
  TAG.predictor,
  TAG.tileWidth,
  TAG.tileHeight,
  TAG.extraSamples,
  TAG.sampleFormat,
];

/** Throws `malformed` when the directory describes no image. One read, of what does not lie in the directory itself. */
export async function readImage(
  index: IndexBytes,
  options: { readonly directory: Directory; readonly layout: Layout },
): Promise<TiffImage> {
  const { directory, layout } = options;
  const { fields } = directory;
  const described = DESCRIBING.flatMap((tag) => fields.get(tag) ?? []);
  const small = described.filter((field) => field.bytes <= SMALL_BYTES);
  await index.load(small.map((field) => ({ start: field.at, end: field.at + field.bytes })));
  const all = (tag: number): readonly number[] => {
    const field = fields.get(tag);
    if (field === undefined || field.count === 0) return [];
    const bytes = field.bytes > SMALL_BYTES ? undefined : index.view({ start: field.at, end: field.at + field.bytes });
    if (bytes === undefined) throw new RiffleError("malformed", `TIFF tag ${tag} lies behind the end of the file`);
    return [...numbersOf(bytes, { type: field.type, layout })];
  };
  const one = (tag: number, otherwise: number): number => all(tag)[0] ?? otherwise;
  const tiled = fields.has(TAG.tileWidth) || fields.has(TAG.tileOffsets);
  const width = positive(one(TAG.width, 0), "width");
  const height = positive(one(TAG.height, 0), "height");
  const rowsPerStrip = one(TAG.rowsPerStrip, height) || height;
  const unitWidth = tiled ? positive(one(TAG.tileWidth, 0), "tile width") : width;
  const unitHeight = tiled ? positive(one(TAG.tileHeight, 0), "tile height") : Math.min(height, rowsPerStrip);
  return {
    directory,
    width,
    height,
    samples: positive(one(TAG.samples, 1), "number of samples"),
    bits: all(TAG.bits),
    sampleFormat: all(TAG.sampleFormat),
    extraSamples: all(TAG.extraSamples),
    compression: one(TAG.compression, 1),
    photometric: fields.has(TAG.photometric) ? one(TAG.photometric, 1) : undefined,
    planar: one(TAG.planar, 1),
    predictor: one(TAG.predictor, 1),
    fillOrder: one(TAG.fillOrder, 1),
    subfileType: one(TAG.subfileType, 0),
    tiled,
    unitWidth,
    unitHeight,
    across: Math.ceil(width / unitWidth),
    down: Math.ceil(height / unitHeight),
    // some writers use the names of strips for tiles
    offsets: (tiled ? fields.get(TAG.tileOffsets) : undefined) ?? fields.get(TAG.stripOffsets),
    counts: (tiled ? fields.get(TAG.tileCounts) : undefined) ?? fields.get(TAG.stripCounts),
  };
}

function positive(value: number, what: string): number {
  if (Number.isInteger(value) && value > 0 && value <= 0xffff_ffff) return value;
  throw new RiffleError("malformed", `the TIFF's ${what} is ${value}`);
}

import { RiffleError } from "../../errors.ts";
import { readDirectory } from "./directory.ts";
import { readImage, type TiffImage } from "./image.ts";
import { sampleType } from "./sample-type.ts";
import { TAG } from "./tags.ts";
import type { TiffFile } from "./tiff-file.ts";
import type { UnitForm } from "./unit-decode.ts";
import { fieldNumbers } from "./directory.ts";

/** One resolution: its pixels, and which of them are valid. */
export interface Level {
  readonly form: UnitForm;
  readonly mask: UnitForm | undefined;
}

const REDUCED = 1;
const MASK = 4;
const MAX_SUB_IMAGES = 64;
const MAX_JPEG_TABLE_BYTES = 64 * 1024;
/** GDAL's own bounds. */
const MAX_SIDE = 2 ** 31 - 1;
const MAX_UNITS = 2 ** 31 - 1;

/**
 * The first image of a file, then its reduced ones, largest first. Reduced images are those that say so, in the main chain or below
 * the first image, and that hold the same samples. Throws `malformed` or `unsupported` when the first image has no usable form.
 */
export async function readPyramid(file: TiffFile): Promise<readonly [Level, ...Level[]]> {
  const [main, ...others] = file.images;
  if (main === undefined) throw new RiffleError("malformed", "the TIFF's first directory describes no image");
  checkUnits(main);
  const below = await subImages(file, main);
  const rest = [...others, ...below].flatMap((image) => image ?? []);
  const masks = rest.filter((image) => (image.subfileType & MASK) !== 0 && image.samples === 1);
  const reduced = rest.filter((image) => (image.subfileType & (REDUCED | MASK)) === REDUCED && isSameKind(image, main));
  reduced.sort((a, b) => b.width - a.width || b.height - a.height);
  const level = async (image: TiffImage): Promise<Level> => {
    const mask = masks.find(({ width, height }) => width === image.width && height === image.height);
    return { form: await formOf(file, image), mask: mask && (await formOf(file, mask)) };
  };
  const first = await level(main);
  const more: Level[] = [];
  for (const image of reduced) more.push(await level(image));
  return [first, ...more];
}

function isSameKind(image: TiffImage, main: TiffImage): boolean {
  try {
    return image.samples === main.samples && sampleType(image).name === sampleType(main).name;
  } catch {
    return false;
  }
}

function checkUnits({ across, down, planar, samples, width, height }: TiffImage): void {
  if (width > MAX_SIDE || height > MAX_SIDE) {
    throw new RiffleError("malformed", `the TIFF claims ${width} x ${height} pixels`, { facts: { width, height } });
  }
  const units = across * down * (planar === 2 ? samples : 1);
  if (units > MAX_UNITS) {
    throw new RiffleError("malformed", `the TIFF claims ${units} tiles or strips`, {
      facts: { units, max: MAX_UNITS },
    });
  }
}

async function subImages(file: TiffFile, main: TiffImage): Promise<readonly TiffImage[]> {
  const field = main.directory.fields.get(TAG.subIfds);
  if (field === undefined || field.count > MAX_SUB_IMAGES) return [];
  const { index, layout } = file;
  const images: TiffImage[] = [];
  try {
    for (const at of new Set(await fieldNumbers(index, { field, layout }))) {
      if (at === 0 || !Number.isSafeInteger(at)) continue;
      const { directory } = await readDirectory(index, { at, layout, ahead: 4096 });
      images.push(await readImage(index, { directory, layout }));
    }
  } catch (error) {
    if (!(error instanceof RiffleError) || error.code !== "malformed") throw error;
  }
  return images;
}

async function formOf(file: TiffFile, image: TiffImage): Promise<UnitForm> {
  const { index, layout } = file;
  const type = sampleType(image);
  const samples = image.planar === 2 ? 1 : image.samples;
  const tables = image.directory.fields.get(TAG.jpegTables);
  const lerc = image.directory.fields.get(TAG.lercParameters);
  let jpegTables: Uint8Array | undefined;
  if (image.compression === 7 && tables !== undefined && tables.bytes <= MAX_JPEG_TABLE_BYTES) {
    jpegTables = await index.read(
      { start: tables.at, end: tables.at + tables.bytes },
      { what: "the TIFF's JPEG tables" },
    );
  }
  const afterLerc =
    lerc === undefined || lerc.bytes > 64 ? 0 : ((await fieldNumbers(index, { field: lerc, layout }))[1] ?? 0);
  return {
    image,
    type,
    littleEndian: layout.littleEndian,
    samples,
    rowBytes: Math.ceil((image.unitWidth * samples * type.bits) / 8),
    jpegTables,
    afterLerc,
  };
}

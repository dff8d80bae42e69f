import type { GeoTransform } from "../raster.ts";
import type { Directory } from "./directory.ts";
import { numbersOf, type Layout } from "./field.ts";
import type { IndexBytes } from "./index-bytes.ts";
import { TAG } from "./tags.ts";

/** The GeoTIFF tags of an image, as they are in the file. */
export interface GeoTags {
  readonly scale: readonly number[];
  readonly tiepoints: readonly number[];
  readonly matrix: readonly number[];
  /** Rows of four: key, place, count, value or offset; the first row is a header. */
  readonly keys: readonly number[];
  readonly doubles: readonly number[];
  readonly texts: string;
  readonly gdalMetadata: string;
  readonly gdalNodata: string;
  /** All reds, all greens, all blues of a palette, in 16 bits. */
  readonly colorMap: readonly number[];
}

/** Numbers, or texts, of GeoKeys (OGC 19-008r4, section 7.1). */
export type GeoKeys = ReadonlyMap<number, number | string | readonly number[]>;

const MAX_TAG_BYTES = 4 * 1024 * 1024;
const RASTER_TYPE = 1025;
const PIXEL_IS_POINT = 2;

/** One read for all that do not lie in the directory. Tags that are damaged or absurdly long count as absent. */
export async function readGeoTags(
  index: IndexBytes,
  options: { readonly directory: Directory; readonly layout: Layout },
): Promise<GeoTags> {
  const { fields } = options.directory;
  const tags = [TAG.pixelScale, TAG.tiepoints, TAG.transformation, TAG.geoKeys, TAG.geoDoubles, TAG.geoTexts];
  const wanted = [...tags, TAG.gdalMetadata, TAG.gdalNodata, TAG.colorMap].flatMap((tag) => fields.get(tag) ?? []);
  const sane = wanted.filter((field) => field.bytes <= MAX_TAG_BYTES);
  await index.load(sane.map(({ at, bytes }) => ({ start: at, end: at + bytes })));
  const raw = (tag: number): Uint8Array => {
    const field = sane.find((one) => one.tag === tag);
    return (field && index.view({ start: field.at, end: field.at + field.bytes })) ?? new Uint8Array();
  };
  const numbers = (tag: number): readonly number[] => {
    const type = fields.get(tag)?.type ?? 0;
    return type === 0 || type === 2 ? [] : [...numbersOf(raw(tag), { type, layout: options.layout })];
  };
  const text = (tag: number): string => Buffer.from(raw(tag)).toString("utf8").replace(/\0.*$/s, "");
  return {
    scale: numbers(TAG.pixelScale),
    tiepoints: numbers(TAG.tiepoints),
    matrix: numbers(TAG.transformation),
    keys: numbers(TAG.geoKeys),
    doubles: numbers(TAG.geoDoubles),
    texts: Buffer.from(raw(TAG.geoTexts)).toString("latin1").replace(/\0+$/, ""),
    gdalMetadata: text(TAG.gdalMetadata),
    gdalNodata: text(TAG.gdalNodata),
    colorMap: numbers(TAG.colorMap),
  };
}

export function parseGeoKeys({ keys, doubles, texts }: GeoTags): GeoKeys {
  const parsed = new Map<number, number | string | readonly number[]>();
  for (let at = 4; at + 4 <= keys.length && at <= (keys[3] ?? 0) * 4; at += 4) {
    const [key = 0, place = 0, count = 0, value = 0] = keys.slice(at, at + 4);
    if (place === 0) parsed.set(key, value);
    else if (place === TAG.geoTexts) parsed.set(key, texts.slice(value, value + count).replace(/\|$/, ""));
    else if (place === TAG.geoDoubles) {
      const [first = NaN, ...more] = doubles.slice(value, value + count);
      parsed.set(key, more.length > 0 ? [first, ...more] : first);
    }
  }
  return parsed;
}

/**
 * Of the outer corner of the first pixel, as GDAL takes it: where a raster says that its coordinates are of pixels' centres,
 * half a pixel is taken off; several tie points without a scale are control points, and give none.
 */
export function geoTransform(tags: GeoTags, keys: GeoKeys): GeoTransform | undefined {
  const plain = fromMatrix(tags.matrix) ?? fromScale(tags);
  if (plain === undefined || keys.get(RASTER_TYPE) !== PIXEL_IS_POINT) return plain;
  const [a, b, c, d, e, f] = plain;
  return [a - b / 2 - c / 2, b, c, d - e / 2 - f / 2, e, f];
}

function fromMatrix(matrix: readonly number[]): GeoTransform | undefined {
  const [b, c, , a, e, f, , d] = matrix;
  if (matrix.length < 16 || a === undefined || b === undefined || c === undefined) return undefined;
  return d === undefined || e === undefined || f === undefined ? undefined : finite([a, b, c, d, e, f]);
}

function fromScale({ scale, tiepoints }: GeoTags): GeoTransform | undefined {
  const [across, down] = scale;
  const [column, row, , x, y] = tiepoints;
  if (!across || !down || column === undefined || row === undefined || x === undefined || y === undefined)
    return undefined;
  // a negative scale is not allowed by the specification; GDAL reads it as its absolute value
  const step = -Math.abs(down);
  return finite([x - column * across, across, 0, y - row * step, 0, step]);
}

function finite(transform: GeoTransform): GeoTransform | undefined {
  return transform.every((value) => Number.isFinite(value)) ? transform : undefined;
}

import type { GeoTransform, RasterBand, RasterMetadata } from "../raster.ts";

/** One tag to be written; `values` are numbers of `type`, or the bytes of a text. */
export interface Tag {
  readonly tag: number;
  /** 2 text, 3 uint16, 4 uint32, 12 float64, 16 uint64. */
  readonly type: 2 | 3 | 4 | 12 | 16;
  readonly values: readonly number[];
}

const WIDTHS = { 2: 1, 3: 2, 4: 4, 12: 8, 16: 8 } as const;

const RASTER_TYPE_KEY = 1025;
const PIXEL_IS_AREA = 1;

export function tagBytes({ type, values }: Tag): number {
  return WIDTHS[type] * values.length;
}

export function text(tag: number, value: string): Tag {
  return { tag, type: 2, values: [...Buffer.from(`${value}\0`)] };
}

/** How samples are to be understood (TIFF 6.0 sections 8 and 18). */
export function sampleTags(bands: readonly RasterBand[], sampleBytes: number): readonly Tag[] {
  const meanings = bands.map(({ meaning }) => meaning);
  const isRgb = meanings[0] === "red" && meanings[1] === "green" && meanings[2] === "blue";
  const extra = meanings.slice(isRgb ? 3 : 1).map((meaning) => (meaning === "alpha" ? 2 : 0));
  const all = (value: number): readonly number[] => bands.map(() => value);
  return [
    { tag: 258, type: 3, values: all(sampleBytes * 8) },
    { tag: 262, type: 3, values: [isRgb ? 2 : 1] },
    { tag: 277, type: 3, values: [bands.length] },
    { tag: 284, type: 3, values: [1] },
    ...(extra.length === 0 ? [] : [{ tag: 338, type: 3, values: extra } as const]),
    { tag: 339, type: 3, values: all(sampleFormat(bands[0]?.type ?? "uint8")) },
  ];
}

function sampleFormat(type: string): number {
  if (type.startsWith("uint")) return 1;
  if (type.startsWith("int")) return 2;
  return type.startsWith("float") ? 3 : 6;
}

/** Georeference, nodata and names of bands (OGC 19-008r4; GDAL's tags 42112 and 42113). */
export function geoTags(
  metadata: RasterMetadata,
  result: { readonly transform: GeoTransform | undefined; readonly bands: readonly RasterBand[] },
): readonly Tag[] {
  const { transform, bands } = result;
  const nodata = bands[0]?.nodata;
  const names = bands.flatMap(({ description }, i) => (description === undefined ? [] : [nameItem(description, i)]));
  return [
    ...(transform === undefined ? [] : transformTags(transform)),
    ...keyTags(metadata),
    ...(names.length === 0 ? [] : [text(42112, `<GDALMetadata>${names.join("")}</GDALMetadata>`)]),
    ...(nodata === undefined ? [] : [text(42113, Number.isNaN(nodata) ? "nan" : String(nodata))]),
  ];
}

function transformTags([a, b, c, d, e, f]: GeoTransform): readonly Tag[] {
  // a scale cannot say that rows go up, or that the raster is turned
  if (c !== 0 || e !== 0 || f > 0 || b < 0) {
    return [{ tag: 34264, type: 12, values: [b, c, 0, a, e, f, 0, d, 0, 0, 0, 0, 0, 0, 0, 1] }];
  }
  return [
    { tag: 33550, type: 12, values: [b, -f, 0] },
    { tag: 33922, type: 12, values: [0, 0, 0, a, d, 0] },
  ];
}

/** Transforms here are of pixels' corners, so that keys which speak of centres are put right. */
function keyTags({ geoKeys }: RasterMetadata): readonly Tag[] {
  if (geoKeys === undefined) return [];
  const keys = geoKeys.keys.map((value, i, all) =>
    i % 4 === 3 && i > 3 && all[i - 3] === RASTER_TYPE_KEY ? PIXEL_IS_AREA : value,
  );
  return [
    { tag: 34735, type: 3, values: keys },
    ...(geoKeys.doubles.length === 0 ? [] : [{ tag: 34736, type: 12, values: geoKeys.doubles } as const]),
    ...(geoKeys.texts === "" ? [] : [text(34737, geoKeys.texts)]),
  ];
}

function nameItem(name: string, sample: number): string {
  const escaped = name.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
  return `<Item name="DESCRIPTION" sample="${sample}" role="description">${escaped}</Item>`;
}

export interface DirectoryPlace {
  readonly at: number;
  readonly big: boolean;
  /** Of the next directory, or 0. */
  readonly next: number;
}

/** How long a directory is, with the values that do not fit into its entries. */
export function directoryBytes(tags: readonly Tag[], big: boolean): number {
  const [count, entry, link, inline] = big ? [8, 20, 8, 8] : [2, 12, 4, 4];
  const outside = tags.reduce((sum, tag) => sum + (tagBytes(tag) > inline ? aligned(tagBytes(tag)) : 0), 0);
  return aligned(count + tags.length * entry + link) + outside;
}

/** A little-endian directory; tags are put in order. */
export function encodeDirectory(tags: readonly Tag[], place: DirectoryPlace): Uint8Array {
  const { at, big, next } = place;
  const [countBytes, entryBytes, linkBytes, inline] = big ? [8, 20, 8, 8] : [2, 12, 4, 4];
  const bytes = new Uint8Array(directoryBytes(tags, big));
  const view = new DataView(bytes.buffer);
  const offset = (to: number, value: number): void =>
    big ? view.setBigUint64(to, BigInt(value), true) : view.setUint32(to, value, true);
  if (big) view.setBigUint64(0, BigInt(tags.length), true);
  else view.setUint16(0, tags.length, true);
  let outside = aligned(countBytes + tags.length * entryBytes + linkBytes);
  for (const [i, tag] of [...tags].sort((a, b) => a.tag - b.tag).entries()) {
    const entry = countBytes + i * entryBytes;
    view.setUint16(entry, tag.tag, true);
    view.setUint16(entry + 2, tag.type, true);
    offset(entry + 4, tag.values.length);
    const value = entry + (big ? 12 : 8);
    const size = tagBytes(tag);
    if (size <= inline) writeValues(view, { tag, at: value });
    else {
      offset(value, at + outside);
      writeValues(view, { tag, at: outside });
      outside += aligned(size);
    }
  }
  offset(countBytes + tags.length * entryBytes, next);
  return bytes;
}

function writeValues(view: DataView, { tag, at }: { readonly tag: Tag; readonly at: number }): void {
  const width = WIDTHS[tag.type];
  for (const [i, value] of tag.values.entries()) {
    const to = at + i * width;
    if (tag.type === 2) view.setUint8(to, value);
    else if (tag.type === 3) view.setUint16(to, value, true);
    else if (tag.type === 4) view.setUint32(to, value, true);
    else if (tag.type === 12) view.setFloat64(to, value, true);
    else view.setBigUint64(to, BigInt(value), true);
  }
}

/** To a multiple of 8, so that every value lies where any reader may map it. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

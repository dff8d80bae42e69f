import type { GeoTransform, RasterBand, RasterMetadata } from "../raster.ts";
import { crsOf, type RasterCrs } from "./crs.ts";
import { geoTransform, parseGeoKeys, type GeoTags } from "./georeference.ts";
import type { Level } from "./pyramid.ts";
import type { SampleType } from "./sample-type.ts";
import { compressionName, PHOTOMETRIC } from "./tags.ts";

export interface Described {
  readonly metadata: RasterMetadata;
  readonly crs: RasterCrs;
  /** Number of the band that says how opaque a pixel is, from 0. */
  readonly alpha: number | undefined;
}

export function describe(levels: readonly [Level, ...Level[]], tags: GeoTags): Described {
  const [{ form }, ...reduced] = levels;
  const { image, type } = form;
  const keys = parseGeoKeys(tags);
  const crs = crsOf(keys);
  const transform: GeoTransform | undefined = geoTransform(tags, keys);
  const nodata = nodataOf(tags.gdalNodata, type);
  const meanings = meaningsOf(form);
  const descriptions = bandDescriptions(tags.gdalMetadata);
  const bands: RasterBand[] = meanings.map((meaning, i) => ({
    type: type.name,
    nodata,
    description: descriptions.get(i),
    meaning,
  }));
  const alpha = meanings.indexOf("alpha");
  const palette = meanings[0] === "palette" ? paletteOf(tags.colorMap) : undefined;
  return {
    crs,
    alpha: alpha < 0 ? undefined : alpha,
    metadata: {
      format: "tiff",
      width: image.width,
      height: image.height,
      bands,
      transform,
      // without a transform it is the system of control points
      crs: transform === undefined && tags.tiepoints.length > 6 ? undefined : crs.crs,
      overviews: reduced.map((level) => ({ width: level.form.image.width, height: level.form.image.height })),
      blockWidth: image.unitWidth,
      blockHeight: image.unitHeight,
      compression: compressionName(image.compression),
      ...(palette === undefined ? {} : { palette }),
      ...(tags.keys.length < 4 ? {} : { geoKeys: { keys: tags.keys, doubles: tags.doubles, texts: tags.texts } }),
    },
  };
}

function meaningsOf({ image }: Level["form"]): readonly (string | undefined)[] {
  const { photometric, samples, extraSamples } = image;
  const colours = (): readonly string[] => {
    if (photometric === PHOTOMETRIC.rgb || photometric === PHOTOMETRIC.ycbcr) return ["red", "green", "blue"];
    if (photometric === PHOTOMETRIC.palette) return ["palette"];
    return photometric === PHOTOMETRIC.minIsBlack || photometric === PHOTOMETRIC.minIsWhite ? ["gray"] : [];
  };
  const known = colours();
  const firstExtra = samples - extraSamples.length;
  return Array.from({ length: samples }, (_, i) => {
    // 1 associated, 2 unassociated alpha (TIFF 6.0 section 18)
    const extra = extraSamples[i - firstExtra];
    return extra === 1 || extra === 2 ? "alpha" : known[i];
  });
}

/** Some writers filled 8 of the 16 bits. */
function paletteOf(colorMap: readonly number[]): Uint8Array | undefined {
  const count = colorMap.length / 3;
  if (count < 1 || !Number.isInteger(count)) return undefined;
  const shift = colorMap.some((value) => value > 255) ? 8 : 0;
  return Uint8Array.from(colorMap, (_, i) => (colorMap[(i % 3) * count + Math.floor(i / 3)] ?? 0) >> shift);
}

/** GDAL writes it as text. What a float cannot hold is its nearest value; text that is no number means none. */
function nodataOf(text: string, type: SampleType): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  if (/^[+-]?nan/i.test(trimmed)) return NaN;
  const infinite = /^([+-]?)inf/i.exec(trimmed);
  const value = infinite === null ? Number(trimmed) : infinite[1] === "-" ? -Infinity : Infinity;
  if (Number.isNaN(value)) return undefined;
  if (type.name !== "float32" || !Number.isFinite(value)) return value;
  const largest = 3.4028234663852886e38;
  return Math.fround(Math.min(largest, Math.max(-largest, value)));
}

/** `<Item name="DESCRIPTION" sample="0" role="description">`. */
function bandDescriptions(xml: string): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const { attributes, value } of metadataItems(xml)) {
    const sample = Number(attributes["sample"] ?? "NaN");
    if (attributes["role"] === "description" && Number.isInteger(sample)) found.set(sample, value);
  }
  return found;
}

export interface MetadataItem {
  readonly attributes: { readonly [name: string]: string | undefined };
  readonly value: string;
}

/** Items of GDAL's metadata tag, whose XML is flat. */
export function metadataItems(xml: string): readonly MetadataItem[] {
  return [...xml.matchAll(/<Item\b([^>]*)>([^<]*)<\/Item>/g)].map(([, attributes = "", value = ""]) => ({
    attributes: Object.fromEntries(
      [...attributes.matchAll(/([\w:.-]+)="([^"]*)"/g)].map(([, name = "", text = ""]) => [name, unescaped(text)]),
    ),
    value: unescaped(value),
  }));
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescaped(text: string): string {
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name] ?? "");
}

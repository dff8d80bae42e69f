import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { Fact, FileInfo, FormatOptions } from "../format.ts";
import type { RasterMetadata } from "../raster.ts";
import { readGeoTags } from "./georeference.ts";
import { checkLayout, type LayoutCheck } from "./layout-check.ts";
import { readPyramid, type Level } from "./pyramid.ts";
import { describe, metadataItems, type Described } from "./raster-metadata.ts";
import { compressionName } from "./tags.ts";
import { openTiff, type TiffFile } from "./tiff-file.ts";
import { checkDecodable } from "./unit-decode.ts";

const PREDICTORS: Readonly<Record<number, string>> = { 1: "none", 2: "horizontal", 3: "floating point" };
const MAX_NAMES = 200;

/** Throws `malformed` when the first image cannot be told; what cannot be decoded is a note. */
export async function tiffInfo(source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> {
  const file = await openTiff(source, options.signal === undefined ? {} : { signal: options.signal });
  const levels = await readPyramid(file);
  const tags = await readGeoTags(file.index, { directory: levels[0].form.image.directory, layout: file.layout });
  const described = describe(levels, tags);
  const layout = await checkLayout(file, levels);
  const names = metadataItems(tags.gdalMetadata).flatMap(({ attributes }) => attributes["name"] ?? []);
  const decoding = undecodable(levels);
  return {
    format: "tiff",
    title: titleOf(described, { layout, isTiled: levels[0].form.image.tiled }),
    facts: {
      ...sizeFacts(file, levels[0]),
      bands: described.metadata.bands.map(({ type, meaning, description, nodata }) => ({
        type,
        ...(meaning === undefined ? {} : { meaning }),
        ...(description === undefined ? {} : { description }),
        ...(nodata === undefined ? {} : { nodata: shown(nodata) }),
      })),
      overviews: levels.slice(1).map(({ form: { image } }) => ({
        width: image.width,
        height: image.height,
        block: `${image.unitWidth} x ${image.unitHeight}`,
      })),
      mask: levels[0].mask === undefined ? (described.alpha === undefined ? "none" : "alpha band") : "internal",
      ...geoFacts(described),
      validCog: layout.isCog,
      ...(layout.faults.length === 0 ? {} : { cogFaults: layout.faults }),
      ...(file.ghost === undefined ? {} : { structure: file.ghost.values }),
      metadata: [...new Set(names)].slice(0, MAX_NAMES),
    },
    notes: [...decoding, ...layout.slow],
  };
}

interface Judged {
  readonly layout: LayoutCheck;
  readonly isTiled: boolean;
}

function titleOf({ metadata, crs }: Described, { layout, isTiled }: Judged): string {
  const isGeo = metadata.transform !== undefined || crs.kind !== undefined || metadata.geoKeys !== undefined;
  // GDAL's rules let small images in strips pass; nobody would call them so
  const isCog = layout.isCog && isTiled;
  if (!isGeo) return isCog ? "Cloud-Optimized TIFF" : "TIFF";
  return isCog ? "Cloud-Optimized GeoTIFF" : "GeoTIFF";
}

function sizeFacts(file: TiffFile, { form: { image, type } }: Level): { readonly [name: string]: Fact } {
  return {
    width: image.width,
    height: image.height,
    bigTiff: file.layout.big,
    byteOrder: file.layout.littleEndian ? "little-endian" : "big-endian",
    compression: compressionName(image.compression),
    predictor: PREDICTORS[image.predictor] ?? String(image.predictor),
    bitsPerSample: type.bits,
    interleave: image.planar === 2 ? "band" : "pixel",
    layout: image.tiled ? "tiles" : "strips",
    block: `${image.unitWidth} x ${image.unitHeight}`,
    images: file.chain.length,
  };
}

function geoFacts({ metadata, crs }: Described): { readonly [name: string]: Fact } {
  const { transform } = metadata;
  return {
    crs: metadata.crs ?? null,
    ...(crs.citation === undefined ? {} : { crsName: crs.citation }),
    transform: transform === undefined ? null : [...transform],
    ...(transform === undefined ? {} : { bounds: boundsOf(metadata) }),
  };
}

/** West, south, east, north in the raster's own system. */
function boundsOf({ transform, width, height }: RasterMetadata): readonly number[] {
  const [a, b, c, d, e, f] = transform ?? [0, 1, 0, 0, 0, 1];
  const corners = [0, width].flatMap((column) =>
    [0, height].map((row) => [a + b * column + c * row, d + e * column + f * row]),
  );
  const xs = corners.map(([x = 0]) => x);
  const ys = corners.map(([, y = 0]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** JSON has no NaN. */
function shown(value: number): Fact {
  return Number.isFinite(value) ? value : String(value);
}

function undecodable(levels: readonly Level[]): readonly string[] {
  const forms = levels.flatMap(({ form, mask }) => (mask === undefined ? [form] : [form, mask]));
  const reasons = forms.flatMap((form) => {
    try {
      checkDecodable(form);
      return [];
    } catch (error) {
      if (error instanceof RiffleError) return [`its pixels cannot be read: ${error.message}`];
      throw error;
    }
  });
  return [...new Set(reasons)];
}

import type { RangeSource } from "../../bytes/source.ts";
import { isRiffleError } from "../../errors.ts";
import { extentTable, NO_EXTENTS, type Extent, type ExtentTable } from "../extents.ts";
import type { FormatOptions } from "../format.ts";
import { openTiff, type TiffFile } from "./tiff-file.ts";
import { heldPlaces, unitCount } from "./units.ts";

/** GDAL's copy of a tile's size, before it. */
export const LEADER_BYTES = 4;
/** As many as a table of extents takes. */
const MAX_UNITS = 1_000_000;
/** For a mount: tables that are larger would cost more than they save. */
const MAX_INDEX_BYTES = 16 * 1024 * 1024;

/** Tiles and strips of every image; those of a file that is no sound TIFF: none. Rejects with the source's errors alone. */
export async function tiffExtents(source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> {
  try {
    const file = await openTiff(source, { maxBytes: MAX_INDEX_BYTES, ...options });
    return extentTable(await tiffUnits(file), source.size);
  } catch (error) {
    if (isMalformed(error)) return NO_EXTENTS;
    throw error;
  }
}

function isMalformed(error: unknown): boolean {
  return isRiffleError(error) && error.code === "malformed";
}

/**
 * One for each unit that has bytes; the series is the image's number. Where leaders can be trusted, a unit begins with its
 * own, so that a reader which starts there (GDAL does) stays inside. Images whose tables are too large are left out.
 */
export async function tiffUnits(file: TiffFile): Promise<readonly Extent[]> {
  const { index, images } = file;
  let room = MAX_UNITS;
  const tables = images.flatMap((image) => {
    const fields = [image?.offsets, image?.counts].flatMap((field) => field ?? []);
    const count = image === undefined ? 0 : unitCount(image);
    const bytes = fields.reduce((sum, field) => sum + field.bytes, 0);
    if (count > room || !index.fits(bytes)) return [];
    room -= count;
    return fields;
  });
  await index.load(tables.map(({ at, bytes }) => ({ start: at, end: at + bytes })));
  return heldUnits(file);
}

/** As `tiffUnits`, of those images whose tables were read for whatever reason. */
export function heldUnits(file: TiffFile): readonly Extent[] {
  const { index, layout, images, ghost } = file;
  const leader = ghost?.leaders === true ? LEADER_BYTES : 0;
  return images.flatMap((image, series) => {
    const count = image === undefined ? 0 : unitCount(image);
    const places = image && heldPlaces(index, { image, layout });
    return Array.from({ length: places === undefined ? 0 : count }, (_, i): Extent => {
      const offset = places?.offsets[i] ?? 0;
      const length = places?.lengths[i] ?? 0;
      return offset > 0 && length > 0
        ? { start: Math.max(0, offset - leader), end: offset + length, series }
        : { start: 0, end: 0, series };
    }).filter(({ end }) => end > 0);
  });
}

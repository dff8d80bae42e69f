import type { RangeSource } from "../../bytes/source.ts";
import { isRiffleError } from "../../errors.ts";
import { extentTable, NO_EXTENTS, type Extent, type ExtentTable } from "../extents.ts";
import type { FormatOptions } from "../format.ts";
import { openTiff, type TiffFile } from "./tiff-file.ts";
import { readUnits, unitCount, type Units } from "./units.ts";

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

/** A table that the file is too short for counts as empty. */
async function unlessMalformed(units: Promise<readonly Units[]>): Promise<readonly Units[]> {
  try {
    return await units;
  } catch (error) {
    if (isMalformed(error)) return [];
    throw error;
  }
}

/**
 * One for each unit that has bytes; the series is the image's number. Where leaders can be trusted, a unit begins with its
 * own, so that a reader which starts there (GDAL does) stays inside. Images whose tables are too large are left out.
 */
export async function tiffUnits(file: TiffFile): Promise<readonly Extent[]> {
  const { index, layout, images } = file;
  const leader = file.ghost?.leaders === true ? LEADER_BYTES : 0;
  let room = MAX_UNITS;
  const chosen = images.flatMap((image, series) => {
    const count = image === undefined ? 0 : unitCount(image);
    const bytes = (image?.offsets?.bytes ?? 0) + (image?.counts?.bytes ?? 0);
    if (image === undefined || count === 0 || count > room || !index.fits(bytes)) return [];
    room -= count;
    return [{ image, series, count }];
  });
  const tables = chosen.flatMap(({ image }) => [image.offsets, image.counts]).flatMap((field) => field ?? []);
  await index.load(tables.map(({ at, bytes }) => ({ start: at, end: at + bytes })));
  const units: Extent[] = [];
  for (const { image, series, count } of chosen) {
    const [table] = await unlessMalformed(readUnits(index, { image, layout, spans: [{ from: 0, to: count }] }));
    for (let i = 0; i < count; i += 1) {
      const offset = table?.offsets[i] ?? 0;
      const length = table?.lengths[i] ?? 0;
      if (offset > 0 && length > 0) units.push({ start: Math.max(0, offset - leader), end: offset + length, series });
    }
  }
  return units;
}

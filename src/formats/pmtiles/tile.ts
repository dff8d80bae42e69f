import { findTile, zxyToTileId, type Entry } from "pmtiles";
import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { FormatOptions } from "../format.ts";
import type { StoredTile, TileAddress } from "../tiles.ts";
import { COMPRESSIONS, openArchive, readDirectory, TILE_TYPES, type Archive } from "./archive.ts";

/** The specification allows four levels of directories at most (section 4). */
const MAX_LEVELS = 4;
/** What the ids of tiles are exact for, in doubles. */
const MAX_ZOOM = 26;
const MAX_TILE_BYTES = 256 * 1024 * 1024;

/** Throws `usage` for what no map has. */
export function tileIdOf({ z, x, y }: TileAddress): number {
  const isWhole = [z, x, y].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!isWhole || z > MAX_ZOOM || x >= 2 ** z || y >= 2 ** z) {
    throw new RiffleError("usage", `there is no tile ${z}/${x}/${y}`, {
      hint: `z is 0 to ${MAX_ZOOM}, x and y are below 2^z`,
    });
  }
  return zxyToTileId(z, x, y);
}

/** Where a tile's bytes lie in the file; undefined when the archive has none. Reads leaf directories only. */
export async function findTileRange(
  archive: Archive,
  address: TileAddress,
): Promise<{ start: number; end: number } | undefined> {
  const { header } = archive;
  const id = tileIdOf(address);
  let directory = archive.root;
  for (let level = 0; level < MAX_LEVELS; level += 1) {
    // The package's signature asks for a mutable array, and it only searches.
    const entry = findTile(directory as Entry[], id);
    if (entry === null) return undefined;
    if (entry.runLength > 0) {
      const start = header.tileDataOffset + entry.offset;
      return { start, end: start + entry.length };
    }
    const start = header.leafDirectoryOffset + entry.offset;
    directory = await readDirectory({ start, end: start + entry.length }, archive);
  }
  throw new RiffleError("malformed", `the PMTiles archive is broken: more than ${MAX_LEVELS} levels of directories`);
}

/**
 * One tile, in three dependent round trips at most for common archives: header with root, leaf, tile. Undefined when the
 * archive has none there. Rejects with `usage` for an impossible address, `malformed`, or `unsupported`.
 */
export async function readTile(
  source: RangeSource,
  address: TileAddress,
  options: FormatOptions = {},
): Promise<StoredTile | undefined> {
  tileIdOf(address);
  const archive = await openArchive(source, options);
  const range = await findTileRange(archive, address);
  if (range === undefined) return undefined;
  const { z, x, y } = address;
  if (!(range.end <= source.size)) {
    throw new RiffleError("malformed", `the PMTiles archive is broken: tile ${z}/${x}/${y} would end behind its end`);
  }
  if (range.end - range.start > (options.maxBytes ?? MAX_TILE_BYTES)) {
    throw new RiffleError("unsupported", `tile ${z}/${x}/${y} has ${range.end - range.start} bytes`);
  }
  const compression: number = archive.header.tileCompression;
  const type: number = archive.header.tileType;
  return {
    bytes: await source.read(range, options),
    encoding: COMPRESSIONS[compression] ?? "unknown",
    type: TILE_TYPES[type] ?? "unknown",
  };
}

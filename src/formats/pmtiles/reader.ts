import { rangeLength, type ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { extentRanges } from "../extents.ts";
import type { FormatOptions } from "../format.ts";
import { readPlan } from "../read-plan.ts";
import type { StoredTile, TileAddress, TileReader } from "../tiles.ts";
import { openArchive } from "./archive.ts";
import { extents } from "./describe.ts";
import { findTileRange, readTile } from "./tile.ts";

/** The tiles of a PMTiles archive. Opening reads its header and root directory. */
export async function tileReader(source: RangeSource, options: FormatOptions = {}): Promise<TileReader> {
  await openArchive(source, options);
  const units = extentRanges(await extents(source, options));
  return {
    metadata: { format: "pmtiles" },
    extents: () => units,
    plan: async ({ tile }, how = {}) => {
      const { range, indexBytes } = await locate(source, { tile, how: { ...options, ...how } });
      if (range === undefined) throw noTile(tile);
      return readPlan({ ranges: [{ range, purpose: `tile ${wordOf(tile)}` }], indexBytes }, options);
    },
    scan: ({ tile }, how = {}) => oneTile(source, { tile, how: { ...options, ...how } }),
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

interface Wanted {
  readonly tile: TileAddress;
  readonly how: ReadOptions;
}

async function* oneTile(source: RangeSource, { tile, how }: Wanted): AsyncGenerator<StoredTile> {
  const stored = await readTile(source, tile, how);
  if (stored === undefined) throw noTile(tile);
  yield stored;
}

/** Where a tile lies, and what was read to know it. */
async function locate(
  source: RangeSource,
  { tile, how }: Wanted,
): Promise<{ readonly range: ByteRange | undefined; readonly indexBytes: number }> {
  let indexBytes = 0;
  const counted: RangeSource = {
    id: source.id,
    size: source.size,
    read: (range, options) => {
      indexBytes += Math.min(rangeLength(range), Math.max(0, source.size - range.start));
      return source.read(range, options);
    },
    readMany: (ranges, options) => Promise.all(ranges.map((range) => counted.read(range, options))),
  };
  const range = await findTileRange(await openArchive(counted, how), tile);
  return { range, indexBytes };
}

function noTile(tile: TileAddress): RiffleError {
  return new RiffleError("not-found", `the archive has no tile ${wordOf(tile)}`, {
    hint: "riffle info tells which zoom levels there are",
    facts: { z: tile.z, x: tile.x, y: tile.y },
  });
}

function wordOf({ z, x, y }: TileAddress): string {
  return `${z}/${x}/${y}`;
}

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { memorySource, type RangeSource } from "../../../src/bytes/source.ts";
import { describeFile } from "../../../src/formats/describe.ts";
import type { FormatOptions } from "../../../src/formats/format.ts";
import type { FormatModule } from "../../../src/formats/format-module.ts";
import { FORMATS, type Format } from "../../../src/formats/formats.ts";
import { SharedThreads } from "../../../src/formats/shared-threads.ts";
import { ROOT } from "../root.ts";
import { SEED_FILES } from "./seed-files.ts";
import type { FuzzTarget, Tried } from "./target.ts";

const MIB = 1024 * 1024;
const MAX_FIXTURE_BYTES = 24 * 1024;
const MAX_FIXTURES = 24;
/** What a unit, an index or a row group may take: `maxBytes` of the readers. */
const HELD_BYTES = 8 * MIB;
const STEPS = 3;

/** Small public files of the format, where the collection is there. */
function fixturesOf(format: Format): readonly Uint8Array[] {
  const folder = [process.env["RIFFLE_FIXTURES"], join(ROOT, "../shared/fixtures")].find(
    (each): each is string => each !== undefined && existsSync(join(each, "expected.json")),
  );
  if (folder === undefined) return [];
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => format.extensions.some((extension) => file.endsWith(extension)))
    .map((file) => join(folder, file))
    .filter((file) => statSync(file).isFile() && statSync(file).size <= MAX_FIXTURE_BYTES)
    .sort();
  // Spread over the collection: neighbours are mostly alike.
  const step = Math.max(1, Math.ceil(files.length / MAX_FIXTURES));
  return files.filter((_, at) => at % step === 0).map((file) => new Uint8Array(readFileSync(file)));
}

async function firstFew(batches: AsyncIterable<unknown>): Promise<void> {
  let seen = 0;
  for await (const _ of batches) if ((seen += 1) >= STEPS) return;
}

/** Everything that is asked of a file: its description, its units, a plan, and the beginning of its content. */
async function readFileOf(
  module: FormatModule,
  source: RangeSource,
  { tried, ...options }: FormatOptions & { readonly tried: Tried },
): Promise<void> {
  await tried(() => module.info(source, options));
  await tried(() => module.extents?.(source, options));
  await tried(async () => {
    const table = await module.table?.(source, options);
    if (table === undefined) return;
    try {
      await tried(() => table.plan({ limit: 5 }));
      await tried(() => firstFew(table.scan({ limit: 5 })));
      const [column] = table.metadata.columns;
      if (column !== undefined) await tried(() => firstFew(table.scan({ columns: [column.name], limit: 1 })));
      await tried(() => firstFew(table.scan({ bbox: { west: 0, south: 0, east: 1, north: 1 }, limit: 2 })));
    } finally {
      await table.close();
    }
  });
  await tried(async () => {
    const raster = await module.raster?.(source, options);
    if (raster === undefined) return;
    try {
      const { width, height } = raster.metadata;
      const window = { x: 0, y: 0, width: Math.min(16, width), height: Math.min(16, height) };
      await tried(() => raster.plan({ window }));
      await tried(() => firstFew(raster.scan({ window })));
      await tried(() => firstFew(raster.scan({ size: { width: 4, height: 4 } })));
    } finally {
      await raster.close();
    }
  });
  await tried(async () => {
    const array = await module.array?.(source, options);
    if (array === undefined) return;
    try {
      for (const { name } of array.metadata.arrays.slice(0, STEPS)) {
        await tried(() => array.plan({ name }));
        await tried(() => firstFew(array.scan({ name, slice: "..." })));
      }
    } finally {
      await array.close();
    }
  });
  await tried(async () => {
    const tiles = await module.tiles?.(source, options);
    if (tiles === undefined) return;
    for (const z of [0, 1]) await tried(() => firstFew(tiles.scan({ tile: { z, x: 0, y: 0 } })));
    await tiles.close();
  });
}

/** Milliseconds each: what is decoded in another thread, or opens many units. */
const SLOW: Readonly<Record<string, number>> = { parquet: 20, hdf5: 50, tiff: 10, zarr: 10, npz: 5, arrow: 5 };

function formatTarget(format: Format): FuzzTarget {
  let threads: SharedThreads | undefined;
  return {
    name: `format-${format.name}`,
    maxBytes: 32 * 1024,
    // A unit and what it is decoded to, a batch of it, and an index.
    growthBytes: 6 * HELD_BYTES,
    every: SLOW[format.name] ?? 4,
    words: [
      "\0\0\0\0",
      "\xff\xff\xff\xff",
      ...(format.extensions.includes(".csv") ? ['"', ",", ";", "\t", "\r\n"] : []),
    ],
    seeds: () => [...(SEED_FILES[format.name]?.() ?? []), ...fixturesOf(format)],
    run: async (input, tried) => {
      threads ??= new SharedThreads();
      const source = memorySource("fuzzed", input);
      const module = await format.load?.();
      if (module === undefined) throw new Error("a format without a module");
      await tried(() => describeFile(source, { name: `x${format.extensions[0] ?? ""}` }));
      await readFileOf(module, source, { maxBytes: HELD_BYTES, threads, tried });
    },
    close: async () => {
      await threads?.close();
      threads = undefined;
    },
  };
}

export const FORMAT_TARGETS: readonly FuzzTarget[] = FORMATS.filter(({ load }) => load !== undefined).map(formatTarget);

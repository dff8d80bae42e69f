import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeGdalCog, makeOnce, makeParquet, measurements } from "../test/support/data.ts";
import type { Bench } from "./context.ts";

export const TABLE = "trips.parquet";
export const ROW_GROUP = 122_880;

/** Twenty columns of 1,800,000 rows, a second apart, in fifteen row groups, as DuckDB writes them. */
export const tablePath = (bench: Bench): Promise<string> =>
  makeParquet(join(bench.folder, "table-1800k.parquet"), measurements(1_800_000), { rowGroup: ROW_GROUP });

/** The first 2,000 rows of it. */
export const smallTablePath = (bench: Bench): Promise<string> =>
  makeParquet(join(bench.folder, "table-2k.parquet"), measurements(2_000), { rowGroup: 1_000 });

/** All rows with a page index, which DuckDB does not write. */
export async function pagedTablePath(bench: Bench): Promise<string> {
  const plain = await tablePath(bench);
  return makeOnce(join(bench.folder, "table-1800k-pages.parquet"), async (draft) => {
    const wasm = await import("parquet-wasm");
    const properties = new wasm.WriterPropertiesBuilder()
      .setCompression(wasm.Compression.ZSTD)
      .setMaxRowGroupSize(ROW_GROUP)
      .setDataPageSizeLimit(64 * 1024)
      .setStatisticsEnabled(wasm.EnabledStatistics.Page)
      // As DuckDB does: a dictionary of values that are all different is no help.
      .setDictionaryEnabled(false)
      .setColumnDictionaryEnabled("station", true)
      .build();
    writeFileSync(draft, wasm.writeParquet(wasm.readParquet(new Uint8Array(readFileSync(plain))), properties));
  });
}

export const SCENE = "scene.tif";
export const SCENE_SIDE = 10_980;

export const scenePath = (bench: Bench): Promise<string> =>
  makeGdalCog(join(bench.folder, "scene-10980.tif"), SCENE_SIDE);

export const smallScenePath = (bench: Bench): Promise<string> => makeGdalCog(join(bench.folder, "scene-512.tif"), 512);

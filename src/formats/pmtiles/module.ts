import type { RangeSource } from "../../bytes/source.ts";
import type { ExtentTable } from "../extents.ts";
import type { TileReader } from "../tiles.ts";
import type { FileInfo, FormatOptions } from "../format.ts";
import type { FormatModule } from "../format-module.ts";

/** The package is loaded on first use. */
export const pmtiles: FormatModule = {
  info: async (source: RangeSource, options?: FormatOptions): Promise<FileInfo> =>
    (await import("./describe.ts")).info(source, options),
  extents: async (source: RangeSource, options?: FormatOptions): Promise<ExtentTable> =>
    (await import("./describe.ts")).extents(source, options),
  tiles: async (source: RangeSource, options?: FormatOptions): Promise<TileReader> =>
    (await import("./reader.ts")).tileReader(source, options),
};

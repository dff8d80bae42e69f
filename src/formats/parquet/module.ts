import type { FormatModule } from "../format-module.ts";
import { parquetExtents } from "./extents.ts";
import { parquetInfo } from "./info.ts";

export const parquet: FormatModule = {
  info: parquetInfo,
  extents: parquetExtents,
  // Arrow is loaded for tables alone: a mount asks for extents only.
  table: async (source, options) => (await import("./table.ts")).parquetTable(source, options),
};

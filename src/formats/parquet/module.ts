import type { FormatModule } from "../format.ts";
import { parquetExtents } from "./extents.ts";
import { parquetInfo } from "./info.ts";

export const parquet: FormatModule = { info: parquetInfo, extents: parquetExtents };

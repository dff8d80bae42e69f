import type { FormatModule } from "../format-module.ts";
import { tiffExtents } from "./extents.ts";
import { tiffInfo } from "./info.ts";
import { tiffRaster } from "./raster.ts";

/** TIFF of all kinds: Cloud-Optimized GeoTIFF, plain GeoTIFF, BigTIFF. */
export const cog: FormatModule = { info: tiffInfo, extents: tiffExtents, raster: tiffRaster };

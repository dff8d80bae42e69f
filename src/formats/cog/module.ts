import { RiffleError } from "../../errors.ts";
import type { FormatModule } from "../format.ts";
import { tiffExtents } from "./extents.ts";
import { tiffRaster } from "./raster.ts";

/** TIFF of all kinds: Cloud-Optimized GeoTIFF, plain GeoTIFF, BigTIFF. */
export const cog: FormatModule = {
  info: () => Promise.reject(new RiffleError("not-yet", "the facts of a TIFF are not told yet")),
  extents: tiffExtents,
  raster: tiffRaster,
};

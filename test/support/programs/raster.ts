import { createHash } from "node:crypto";
import { fromFile, type TypedArray } from "geotiff";

/**
 * A reader for a process of its own: `node raster.js FILE IMAGE X Y WIDTH HEIGHT` reads a window of one image (0 is full
 * resolution) with the geotiff package and prints `{"sha256", "mean", "ms"}` of its first band.
 */
const [file = "", ...rest] = process.argv.slice(2);
const [image = 0, x = 0, y = 0, width = 1, height = 1] = rest.map(Number);
const begun = performance.now();
const tiff = await fromFile(file);
const rasters = await (await tiff.getImage(image)).readRasters({ window: [x, y, x + width, y + height] });
// one typed array a band unless `interleave` is asked for
const band = (Array.isArray(rasters) ? rasters[0] : rasters) as TypedArray;
const ms = performance.now() - begun;
await tiff.close();
let sum = 0;
for (const value of band) sum += value;
const sha256 = createHash("sha256")
  .update(new Uint8Array(band.buffer, band.byteOffset, band.byteLength))
  .digest("hex");
process.stdout.write(`${JSON.stringify({ sha256, mean: sum / band.length, ms })}\n`);

// A window of a Cloud-Optimized GeoTIFF as a picture, by the tiles that it needs.
//
//   node examples/cog-window-to-png.mjs ghcr.io/eo/scenes:v1 TCI.tif 5000,5100,1024,1024 window.png
import { writeFile } from "node:fs/promises";
import { encodePng, open } from "rifflefs";

const [reference, path, words = "", output] = process.argv.slice(2);
const [x, y, width, height] = words.split(",").map(Number);
if (reference === undefined || path === undefined || output === undefined) {
  console.error("usage: cog-window-to-png.mjs REF PATH X,Y,W,H OUTPUT");
  process.exit(2);
}

const artifact = await open(reference);
try {
  const raster = await artifact.raster(path);
  const query = { window: { x, y, width, height } };
  const { requests, bytesNeeded } = await raster.plan(query);
  console.log(`${requests} requests, ${bytesNeeded} bytes of ${artifact.file(path).size}`);
  await writeFile(output, encodePng(raster, { query }));
  await raster.close();
} finally {
  await artifact.close();
}

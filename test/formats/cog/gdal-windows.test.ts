import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { tiffRaster } from "../../../src/formats/cog/raster.ts";
import type { RasterReader } from "../../../src/formats/raster.ts";
import { makeGdalCog } from "../../support/data.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { gdal, hasGdal } from "../../support/gdal.ts";
import { readRaster } from "./read-raster.ts";

const isHere = hasGdal("windows are not compared with GDAL's");

const SEED = Number(process.env["RIFFLE_SEED"] ?? "20260401");
const WINDOWS_EACH = 24;

/** Files by what makes them different to read; each is read once by GDAL, whole, and windows of that are the truth. */
const NAMES = [
  "rio-tiler/cog_dateline.tif",
  "rio-tiler/web.tif",
  "rio-tiler/mosaic_value_2.tif",
  "rio-cogeo/image_north.tif",
  "rio-cogeo/bad_output_vrt.tif",
  "rio-cogeo/image_nodata.tif",
  "cogger/cog_band4mask.tif",
  "rasterio/RGBA.uint16.tif",
  "rasterio/all-nodata.tif",
  "gdal/gcore/data/oddsize_1bit2b.tif",
  "gdal/gcore/data/f2r23.tif",
  "gdal/gcore/data/gtiff/rgbsmall_byte_LZW_predictor_2.tif",
  "gdal/gcore/data/gtiff/float32_lzw_predictor_3_big_endian.tif",
  "image-tiff/images/tiled-rect-rgb-u8.tif",
  "image-tiff/images/planar-rgb-u8.tif",
] as const;

/** A generator of whole numbers below a bound (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** GDAL's pixels of all of a file, band after band. */
function byGdal(path: string, folder: string): Buffer {
  const raw = join(folder, "raw");
  gdal("translate", ["-q", "-of", "ENVI", "-co", "INTERLEAVE=BSQ", path, raw]);
  return readFileSync(raw);
}

interface Truth {
  readonly pixels: Buffer;
  readonly width: number;
  readonly height: number;
  readonly sampleBytes: number;
}

function cut(truth: Truth, window: { x: number; y: number; width: number; height: number; band: number }): Buffer {
  const { width, height, sampleBytes } = truth;
  const plane = window.band * width * height;
  return Buffer.concat(
    Array.from({ length: window.height }, (_, row) => {
      const at = (plane + (window.y + row) * width + window.x) * sampleBytes;
      return truth.pixels.subarray(at, at + window.width * sampleBytes);
    }),
  );
}

async function compare(reader: RasterReader, truth: Truth, next: (below: number) => number): Promise<number> {
  const { width, height, bands } = reader.metadata;
  expect(truth.pixels.length).toBe(width * height * bands.length * truth.sampleBytes);
  for (let i = 0; i < WINDOWS_EACH; i += 1) {
    const x = next(width);
    const y = next(height);
    const window = { x, y, width: 1 + next(Math.min(700, width - x)), height: 1 + next(Math.min(700, height - y)) };
    const band = next(bands.length);
    const mine = await readRaster(reader, { window, bands: [band + 1] });
    const same = mine.bands[0]?.equals(cut(truth, { ...window, band })) === true;
    expect({ ...window, band, same }).toEqual({ ...window, band, same: true });
  }
  return WINDOWS_EACH;
}

describe.skipIf(!isHere || FIXTURES === undefined)(`random windows are GDAL's (RIFFLE_SEED=${SEED})`, () => {
  const folder = mkdtempSync(join(tmpdir(), "riffle-gdal-"));
  let compared = 0;
  let scene = "";

  beforeAll(async () => {
    scene = await makeGdalCog(join(folder, "scene.tif"), 3000);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([...NAMES, "scene"].map((name, i) => ({ name, i })))("$name", async ({ name, i }) => {
    const path = name === "scene" ? scene : join(FIXTURES ?? "", name);
    const reader = await tiffRaster(memorySource(name, new Uint8Array(readFileSync(path))));
    const pixels = byGdal(path, folder);
    const { width, height, bands } = reader.metadata;
    const sampleBytes = pixels.length / (width * height * bands.length);
    compared += await compare(reader, { pixels, width, height, sampleBytes }, numbers(SEED + i));
  });

  test("at least 300 were compared", () => {
    expect(compared).toBeGreaterThanOrEqual(300);
  });
});

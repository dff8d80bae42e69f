import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { tiffRaster } from "../../../src/formats/cog/raster.ts";
import type { RasterMetadata, RasterQuery, RasterReader } from "../../../src/formats/raster.ts";
import { resolveView, type View } from "../../../src/formats/cog/view.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { readRaster } from "./read-raster.ts";
import { bigTiff, stripTags, type TestTag } from "./tiff-bytes.ts";

const METADATA: RasterMetadata = {
  format: "tiff",
  width: 1000,
  height: 800,
  bands: [1, 2, 3].map(() => ({ type: "uint8", nodata: undefined, description: undefined, meaning: undefined })),
  transform: [500_000, 10, 0, 5_000_000, 0, -10],
  crs: "EPSG:32632",
  overviews: [
    { width: 500, height: 400 },
    { width: 250, height: 200 },
    { width: 125, height: 100 },
  ],
  blockWidth: 256,
  blockHeight: 256,
  compression: "deflate",
};
const view = (query: RasterQuery, metadata: Partial<RasterMetadata> = {}): Promise<View> =>
  resolveView(query, { ...METADATA, ...metadata });
const usage = (message: string): object => ({ code: "usage", message: expect.stringContaining(message) as string });

describe("windows", () => {
  test("partly outside: cut; wholly outside: refused with the raster's size", async () => {
    expect((await view({ window: { x: -10, y: 790, width: 30, height: 30 } })).window).toEqual({
      x: 0,
      y: 790,
      width: 20,
      height: 10,
    });
    await expect(view({ window: { x: 1000, y: 0, width: 1, height: 1 } })).rejects.toMatchObject(
      usage("the window 1000,0,1,1 lies outside the raster of 1000 x 800 pixels"),
    );
  });

  test.each<[string, RasterQuery, string]>([
    ["no size", { window: { x: 0, y: 0, width: 0, height: 4 } }, "positive size"],
    ["half a pixel", { window: { x: 0.5, y: 0, width: 4, height: 4 } }, "whole numbers"],
    [
      "window and box",
      { window: { x: 0, y: 0, width: 1, height: 1 }, bbox: { west: 0, south: 0, east: 1, north: 1 } },
      "not for both",
    ],
    ["a tile", { tile: { z: 0, x: 0, y: 0 } }, "no numbered map tiles"],
    ["a band too many", { bands: [1, 4] }, "there is no band 4: the raster has bands 1 to 3"],
    ["no bands", { bands: [] }, "no band"],
    ["a size of nothing", { size: { width: 10, height: 0 } }, "size"],
    ["a system without a box", { bboxCrs: "EPSG:4326" }, "no box"],
    [
      "a box upside down",
      { bbox: { west: 500_000, south: 5_000_000, east: 500_100, north: 4_999_000 } },
      "west, south, east, north",
    ],
    ["a box elsewhere", { bbox: { west: 0, south: 0, east: 10, north: 10 } }, "lies outside the raster"],
    [
      "an unknown system",
      { bbox: { west: 0, south: 0, east: 1, north: 1 }, bboxCrs: "EPSG:999999" },
      "EPSG:999999 is not known here",
    ],
  ])("%s is refused", async (_, query, message) => {
    await expect(view(query)).rejects.toMatchObject(usage(message));
  });
});

describe("levels", () => {
  test.each([
    [{ width: 1000, height: 800 }, 0],
    [{ width: 501, height: 400 }, 0],
    [{ width: 500, height: 400 }, 1],
    [{ width: 300, height: 200 }, 1],
    [{ width: 250, height: 200 }, 2],
    [{ width: 10, height: 10 }, 3],
    [{ width: 4000, height: 10 }, 0],
  ])("a result of %o is made of level %i", async (size, level) => {
    expect(await view({ size })).toMatchObject({ level, ...size });
  });

  test("a window's own size decides", async () => {
    const window = { x: 100, y: 100, width: 400, height: 400 };
    expect(await view({ window, size: { width: 100, height: 100 } })).toMatchObject({ level: 2 });
    expect((await view({ window, size: { width: 100, height: 100 } })).transform).toEqual([
      501_000, 40, 0, 4_999_000, 0, -40,
    ]);
  });
});

describe("boxes", () => {
  test("whole pixels that cover the box", async () => {
    const bbox = { west: 500_015, south: 4_999_900, east: 500_100, north: 4_999_995 };
    expect((await view({ bbox })).window).toEqual({ x: 1, y: 0, width: 9, height: 10 });
  });

  test("in degrees, for a raster in metres", async () => {
    const { window } = await view({
      bbox: { west: 9.01, south: 45.1, east: 9.03, north: 45.12 },
      bboxCrs: "EPSG:4326",
    });
    // gdaltransform: the corners lie at 500786.5 to 502360.3, and 4994059.3 to 4996281.5
    expect(window).toEqual({ x: 78, y: 371, width: 159, height: 224 });
  });

  test("over the antimeridian", async () => {
    const { window } = await view(
      { bbox: { west: 179, south: -1, east: -179, north: 1 }, bboxCrs: "EPSG:4326" },
      { crs: "EPSG:4326", transform: [170, 0.02, 0, 8, 0, -0.02] },
    );
    expect(window).toEqual({ x: 450, y: 350, width: 100, height: 100 });
  });

  test("of a turned raster: the window around it", async () => {
    const turned = [0, 1, 1, 0, 1, -1] as const;
    const { window } = await view(
      { bbox: { west: 400, south: 0, east: 410, north: 10 } },
      { crs: undefined, transform: turned },
    );
    expect(window).toEqual({ x: 200, y: 195, width: 10, height: 10 });
  });

  test("a raster without georeference, or without a known system, has none", async () => {
    const bbox = { west: 0, south: 0, east: 1, north: 1 };
    await expect(view({ bbox }, { transform: undefined })).rejects.toMatchObject(usage("no georeference"));
    await expect(view({ bbox, bboxCrs: "EPSG:4326" }, { crs: undefined })).rejects.toMatchObject(usage("does not say"));
  });
});

describe("pixels", () => {
  const ramp = (more: readonly TestTag[] = []): Promise<RasterReader> => {
    const data = Uint8Array.from({ length: 64 }, (_, i) => i);
    const tags = (offset: number): readonly TestTag[] => stripTags({ width: 8, height: 8, offset, length: 64, more });
    const start = bigTiff([{ tags: tags(0) }]).length;
    return tiffRaster(memorySource("ramp", bigTiff([{ tags: tags(start) }], data)));
  };

  test("smaller and larger sizes take the nearest pixel", async () => {
    const reader = await ramp();
    const half = await readRaster(reader, { size: { width: 4, height: 2 } });
    expect([...(half.bands[0] ?? [])]).toEqual([17, 19, 21, 23, 49, 51, 53, 55]);
    const double = await readRaster(reader, {
      window: { x: 2, y: 3, width: 2, height: 1 },
      size: { width: 4, height: 2 },
    });
    expect([...(double.bands[0] ?? [])]).toEqual([26, 26, 27, 27, 26, 26, 27, 27]);
  });

  test("bands come in the order asked for, more than once if asked so", async () => {
    const reader = await ramp();
    const twice = await readRaster(reader, { bands: [1, 1], window: { x: 0, y: 7, width: 8, height: 1 } });
    expect(twice.bands.map((band) => [...band])).toEqual([
      [56, 57, 58, 59, 60, 61, 62, 63],
      [56, 57, 58, 59, 60, 61, 62, 63],
    ]);
  });

  test.skipIf(FIXTURES === undefined)("a box over the antimeridian, of a raster in metres", async () => {
    const name = "rio-tiler/cog_dateline.tif";
    const reader = await tiffRaster(memorySource(name, new Uint8Array(readFileSync(join(FIXTURES ?? "", name)))));
    const bbox = { west: 179.5, south: 51.5, east: -179.5, north: 52 };
    const box = await readRaster(reader, { bbox, bboxCrs: "EPSG:4326" });
    // gdaltransform: the corners lie at 671613.2 to 742910.7, and 5708392.7 to 5766823.6
    const window = await readRaster(reader, { window: { x: 1010, y: 807, width: 714, height: 586 } });
    expect([box.width, box.height]).toEqual([714, 586]);
    expect(box.bands[0]?.equals(window.bands[0] ?? Buffer.alloc(0))).toBe(true);
  });
});

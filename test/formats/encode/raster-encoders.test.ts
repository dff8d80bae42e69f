import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PNG } from "pngjs";
import { afterAll, describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { tiffRaster } from "../../../src/formats/cog/raster.ts";
import { encodeNpy } from "../../../src/formats/encode/npy.ts";
import { encodePng } from "../../../src/formats/encode/png.ts";
import { encodeTiff } from "../../../src/formats/encode/tiff.ts";
import type { RasterReader } from "../../../src/formats/raster.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { gdal, hasGdal } from "../../support/gdal.ts";
import { readRaster } from "../cog/read-raster.ts";

const open = (name: string): Promise<RasterReader> =>
  tiffRaster(memorySource(name, new Uint8Array(readFileSync(join(FIXTURES ?? "", name)))));

async function whole(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const kept: Uint8Array[] = [];
  for await (const part of parts) kept.push(part);
  return Buffer.concat(kept);
}

const NAMES = [
  "rio-tiler/cog_dateline.tif",
  "rio-tiler/cog_fullearth.tif",
  "rio-tiler/cog_tags.tif",
  "rio-tiler/cog_uint8_rgba.tif",
  "rio-tiler/mosaic_value_2.tif",
  "cogger/cog_rgbmask.tif",
  "gdal/gcore/data/byte_point.tif",
  "gdal/gcore/data/cfloat64.tif",
  "gdal/gcore/data/gtiff/uint64_full_range.tif",
  "gdal/gcore/data/1bit_2bands.tif",
  "gdal/gcore/data/float24.tif",
];

const isHere = hasGdal("what is written is not shown to it");

describe.skipIf(FIXTURES === undefined)("a raster written as GeoTIFF", () => {
  test.each(NAMES.flatMap((name) => (["none", "deflate"] as const).map((compression) => ({ name, compression }))))(
    "$name, $compression: the same pixels, mask and georeference come back",
    async ({ name, compression }) => {
      const reader = await open(name);
      const written = await whole(encodeTiff(reader, { compression }));
      const back = await tiffRaster(memorySource("written", new Uint8Array(written)));
      const [was, is] = [await readRaster(reader), await readRaster(back)];
      expect(is.bands.map((band) => band.toString("base64"))).toEqual(was.bands.map((band) => band.toString("base64")));
      expect(is.mask).toEqual(was.mask);
      expect(back.metadata.transform).toEqual(reader.metadata.transform);
      expect(back.metadata.crs).toBe(reader.metadata.crs);
      expect(back.metadata.bands).toEqual(reader.metadata.bands);
    },
  );

  test("a window and fewer bands keep their place on earth", async () => {
    const reader = await open("rio-tiler/mosaic_value_2.tif");
    const query = { window: { x: 100, y: 40, width: 300, height: 200 }, size: { width: 150, height: 100 }, bands: [3] };
    const back = await tiffRaster(memorySource("w", new Uint8Array(await whole(encodeTiff(reader, { query })))));
    const [a, b, c, d, e, f] = reader.metadata.transform ?? [0, 0, 0, 0, 0, 0];
    expect(back.metadata.transform).toEqual([a + 100 * b, b * 2, c, d + 40 * f, e, f * 2]);
    expect(back.metadata.bands).toMatchObject([{ type: "uint16", nodata: 0 }]);
    expect((await readRaster(back)).bands).toEqual((await readRaster(reader, query)).bands);
  });

  test.skipIf(!isHere)("GDAL sees what was written", async () => {
    const folder = mkdtempSync(join(tmpdir(), "riffle-encode-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    for (const name of NAMES) {
      const path = join(folder, "x.tif");
      writeFileSync(path, await whole(encodeTiff(await open(name))));
      const facts = (file: string): unknown => {
        const { out, warnings } = gdal("info", ["-json", "-checksum", file]);
        expect(warnings).not.toMatch(/ERROR|Warning/);
        const { size, coordinateSystem, geoTransform, bands } = JSON.parse(out) as Record<string, unknown>;
        const seen = (bands as Record<string, unknown>[]).map(({ type, checksum, noDataValue, mask, description }) => ({
          type,
          checksum,
          noDataValue,
          flags: (mask as { flags: unknown } | undefined)?.flags,
          description,
        }));
        return { size, wkt: (coordinateSystem as { wkt?: string } | undefined)?.wkt, geoTransform, seen };
      };
      // samples of odd widths come back widened, which GDAL does in reading them too
      expect(facts(path)).toEqual(facts(join(FIXTURES ?? "", name)));
    }
  });
});

describe.skipIf(FIXTURES === undefined)("a raster written as PNG", () => {
  test("8-bit RGB is as it is", async () => {
    const reader = await open("gdal/gcore/data/gtiff/rgbsmall_DEFLATE.tif");
    const png = PNG.sync.read(await whole(encodePng(reader)));
    const { bands } = await readRaster(reader);
    expect([png.width, png.height]).toEqual([50, 50]);
    for (let i = 0; i < 2500; i += 1) {
      expect([...png.data.subarray(i * 4, i * 4 + 4)]).toEqual([bands[0]?.[i], bands[1]?.[i], bands[2]?.[i], 255]);
    }
  });

  test("a palette's colours are seen, and its numbers where they are asked for", async () => {
    const reader = await open("rio-cogeo/bad_output_vrt.tif");
    const query = { window: { x: 1000, y: 1500, width: 100, height: 80 } };
    const { palette = new Uint8Array() } = reader.metadata;
    expect(palette).toHaveLength(256 * 3);
    const png = PNG.sync.read(await whole(encodePng(reader, { query })));
    const numbers = (await readRaster(reader, query)).bands[0] ?? new Uint8Array();
    expect(new Set(numbers).size).toBeGreaterThan(3);
    for (const [i, value] of numbers.entries())
      expect([...png.data.subarray(i * 4, i * 4 + 3)]).toEqual([...palette.subarray(value * 3, value * 3 + 3)]);
    const bare = PNG.sync.read(await whole(encodePng(reader, { query, scale: "none" })));
    for (const [i, value] of numbers.entries()) expect(bare.data[i * 4]).toBe(value);
  });

  test("RGBA keeps its alpha; a mask makes pixels transparent", async () => {
    const rgba = await open("rio-tiler/cog_uint8_rgba.tif");
    const png = PNG.sync.read(await whole(encodePng(rgba)));
    const { bands } = await readRaster(rgba);
    expect([...png.data].filter((_, i) => i % 4 === 3)).toEqual([...(bands[3] ?? [])]);
    const masked = await open("cogger/cog_rgbmask.tif");
    const picture = PNG.sync.read(await whole(encodePng(masked)));
    expect([...picture.data].filter((_, i) => i % 4 === 3)).toEqual([...((await readRaster(masked)).mask ?? [])]);
  });

  test("16 bits are stretched between percentiles, nodata is transparent", async () => {
    const reader = await open("rio-tiler/green.tif");
    const png = PNG.sync.read(await whole(encodePng(reader)));
    const { samples } = await readRaster(reader);
    const values = samples[0]?.flatMap((part) => [...part].map(Number)) ?? [];
    const nodata = reader.metadata.bands[0]?.nodata;
    const sorted = values.filter((value) => value !== nodata).sort((a, b) => a - b);
    const low = sorted[Math.round(0.02 * (sorted.length - 1))] ?? 0;
    const high = sorted[Math.round(0.98 * (sorted.length - 1))] ?? 0;
    expect(low).toBeLessThan(high);
    for (const [i, value] of values.entries()) {
      const gray = Math.max(0, Math.min(255, Math.round(((value - low) / (high - low)) * 255)));
      const expected = value === nodata ? [0, 0, 0, 0] : [gray, gray, gray, 255];
      expect([...png.data.subarray(i * 4, i * 4 + 4)]).toEqual(expected);
    }
  });

  test("numbers of bands that make no picture are refused", async () => {
    await expect(
      whole(encodePng(await open("gdal/gcore/data/6band_wrong_number_extrasamples.tif"))),
    ).rejects.toMatchObject({
      code: "usage",
      hint: "choose bands, as in 4,3,2",
    });
  });
});

describe.skipIf(FIXTURES === undefined)("a raster written as npy", () => {
  test("one band has two axes, several have three", async () => {
    const one = await whole(encodeNpy(await open("gdal/gcore/data/int32.tif")));
    expect(one.subarray(0, 128).toString("latin1")).toContain(
      "{'descr': '<i4', 'fortran_order': False, 'shape': (20, 20), }",
    );
    const three = await whole(encodeNpy(await open("rio-tiler/mosaic_value_2.tif")));
    expect(three.subarray(0, 128).toString("latin1")).toContain(
      "'descr': '<u2', 'fortran_order': False, 'shape': (3, 781, 770)",
    );
    const { bands } = await readRaster(await open("rio-tiler/mosaic_value_2.tif"));
    expect(three.subarray(three.length - 3 * 781 * 770 * 2).equals(Buffer.concat(bands))).toBe(true);
    expect((three.length - 3 * 781 * 770 * 2) % 64).toBe(0);
  });
});

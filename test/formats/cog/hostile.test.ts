import { deflateSync } from "node:zlib";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { cog } from "../../../src/formats/cog/module.ts";
import { tiffRaster } from "../../../src/formats/cog/raster.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { readRaster } from "./read-raster.ts";
import { bigTiff, stripTags } from "./tiff-bytes.ts";

const read = async (bytes: Uint8Array): Promise<unknown> =>
  readRaster(await tiffRaster(memorySource("hostile", bytes)));
const RIFFLE = { code: expect.stringMatching(/^(malformed|unsupported)$/) as string };

describe("TIFFs that lie", () => {
  test("directories in a cycle end, and are said to", async () => {
    const bytes = bigTiff([
      { tags: stripTags({ width: 8, height: 1 }) },
      { tags: stripTags({ width: 4, height: 2 }), next: 16 },
    ]);
    const { facts, notes } = await cog.info(memorySource("cycle", bytes));
    expect(facts).toMatchObject({ width: 8, images: 2 });
    expect(notes).toContain("its list of directories is damaged: its directories form a cycle");
    expect((await cog.extents?.(memorySource("cycle", bytes)))?.count).toBe(1);
  });

  test("a directory that is its own next is one", async () => {
    const bytes = bigTiff([{ tags: stripTags({ width: 8, height: 1 }), next: 16 }]);
    expect((await cog.info(memorySource("self", bytes))).facts).toMatchObject({ images: 1 });
  });

  test.each([
    ["a place of 2^60", stripTags({ width: 8, height: 1, offset: 2 ** 60 })],
    ["a length of 2^60", stripTags({ width: 8, height: 1, length: 2 ** 60, compression: 8 })],
    [
      "a place and a length whose sum is no safe number",
      stripTags({ width: 8, height: 1, offset: 2 ** 53, length: 2 ** 53 }),
    ],
    ["2^32 - 1 pixels a side", stripTags({ width: 0xffff_ffff, height: 0xffff_ffff })],
    ["a deflate strip of 4 GiB", stripTags({ width: 65_536, height: 65_536, compression: 8 })],
    ["an LZW strip of 4 GiB", stripTags({ width: 65_536, height: 65_536, compression: 5 })],
    ["a JPEG of nothing", stripTags({ width: 64, height: 64, compression: 7 })],
    ["a LERC of nothing", stripTags({ width: 64, height: 64, compression: 34_887 })],
    ["a zstd frame of nothing", stripTags({ width: 64, height: 64, compression: 50_000 })],
    ["64,000 bits a sample", stripTags({ width: 1, height: 1, bits: 64_000 })],
  ])("%s is an error before anything of that size is made", async (_, tags) => {
    await expect(read(bigTiff([{ tags }], new Uint8Array(64)))).rejects.toMatchObject(RIFFLE);
  });

  test("2^60 entries, and tables of 2^60 places, are refused without reading them", async () => {
    const entries = loggedSource(bigTiff([{ tags: [], count: 2 ** 60 }]));
    await expect(tiffRaster(entries)).rejects.toMatchObject({ code: "malformed" });
    expect(entries.calls).toHaveLength(1);
    const bytes = bigTiff([{ tags: stripTags({ width: 8, height: 1_000_000 }) }]);
    const view = new DataView(bytes.buffer);
    // the counts of StripOffsets and StripByteCounts: entries 5 and 8
    for (const entry of [5, 8]) view.setBigUint64(16 + 8 + entry * 20 + 4, 2n ** 60n, true);
    await expect(read(bytes)).rejects.toMatchObject({ code: "malformed" });
    expect((await cog.extents?.(memorySource("table", bytes)))?.count).toBe(0);
  });

  test("a strip that inflates to more than its rows gives its rows, one that gives less is an error", async () => {
    const start = 16 + 16 + 9 * 20;
    const strip = (rows: number): Uint8Array => {
      const data = deflateSync(Buffer.alloc(64 * rows, 7));
      return bigTiff(
        [{ tags: stripTags({ width: 64, height: 4, offset: start, length: data.length, compression: 8 }) }],
        data,
      );
    };
    const { bands } = await readRaster(await tiffRaster(memorySource("long", strip(1000))));
    expect(bands).toEqual([Buffer.alloc(256, 7)]);
    await expect(read(strip(3))).rejects.toMatchObject({ code: "malformed" });
  });
});

/** A generator of whole numbers below a bound (xorshift). */
function numbers(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const SEED = Number(process.env["RIFFLE_SEED"] ?? "41");
const VICTIMS = [
  "rio-tiler/cog_uint8_rgb_nodata.tif",
  "cogger/cog_rgbmask.tif",
  "gdal/gcore/data/gtiff/byte_LERC_tiled.tif",
  "gdal/gcore/data/gtiff/rgbsmall_JPEG_ycbcr.tif",
  "gdal/gcore/data/gtiff/rgbsmall_ZSTD.tif",
  "gdal/gcore/data/gtiff/float32_LZW_predictor_3.tif",
  "gdal/gcore/data/3376.tif",
  "image-tiff/images/bigtiff/BigTIFFMotorola.tif",
];

describe.skipIf(FIXTURES === undefined)(`damaged TIFFs end in pixels or a clear error (RIFFLE_SEED=${SEED})`, () => {
  test.each(VICTIMS)("%s", async (name) => {
    const sound = new Uint8Array(readFileSync(join(FIXTURES ?? "", name)));
    const next = numbers(SEED * 7919 + name.length);
    let refused = 0;
    for (let round = 0; round < 60; round += 1) {
      const cut = round % 3 === 0 ? next(sound.length) : sound.length;
      const bytes = sound.slice(0, cut);
      // most damage goes where the index is
      for (const reach of [600, cut, 600, cut].slice(next(4))) {
        if (cut > 0) bytes[next(Math.min(cut, reach))] = next(256);
      }
      const reader = await tiffRaster(memorySource("damaged", bytes), { maxBytes: 64 * 1024 * 1024 }).catch(
        (error: unknown) => {
          expect(error).toMatchObject(RIFFLE);
          refused += 1;
          return undefined;
        },
      );
      await cog.extents?.(memorySource("damaged", bytes));
      if (reader === undefined) continue;
      const { width, height } = reader.metadata;
      const window = { x: 0, y: 0, width: Math.min(width, 300), height: Math.min(height, 300) };
      await readRaster(reader, { window }).catch((error: unknown) => {
        expect(error).toMatchObject(RIFFLE);
        refused += 1;
      });
    }
    expect(refused).toBeGreaterThan(0);
  });
});

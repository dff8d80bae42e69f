import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { tiffRaster } from "../../../src/formats/cog/raster.ts";
import { loggedSource, type LoggedSource } from "../../support/logged-source.ts";
import { readRaster } from "./read-raster.ts";
import { bigTiff, type TestTag } from "./tiff-bytes.ts";

const SIDE = 150;
const STRUCTURE =
  "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\nBLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";

/** 150 x 150 tiles of 16 x 16 pixels, each filled with its number's last byte, as GDAL packs them. */
function packed(options: { readonly structure?: string; readonly lie?: boolean } = {}): LoggedSource {
  const stored = Array.from({ length: 256 }, (_, value) => deflateSync(Buffer.alloc(256, value)));
  const make = (start: number): Uint8Array => {
    const offsets: number[] = [];
    const lengths: number[] = [];
    const parts: Buffer[] = [];
    let at = start;
    for (let tile = 0; tile < SIDE * SIDE; tile += 1) {
      const data = stored[tile & 255] ?? Buffer.alloc(0);
      const leader = Buffer.alloc(4);
      leader.writeUInt32LE(options.lie === true ? data.length + 9 : data.length);
      parts.push(leader, data, data.subarray(data.length - 4));
      offsets.push(at + 4);
      lengths.push(data.length);
      at += data.length + 8;
    }
    const tags: readonly TestTag[] = [
      { tag: 256, type: 4, values: [SIDE * 16] },
      { tag: 257, type: 4, values: [SIDE * 16] },
      { tag: 258, type: 3, values: [8] },
      { tag: 259, type: 3, values: [8] },
      { tag: 262, type: 3, values: [1] },
      { tag: 277, type: 3, values: [1] },
      { tag: 322, type: 3, values: [16] },
      { tag: 323, type: 3, values: [16] },
      { tag: 324, type: 16, values: offsets },
      { tag: 325, type: 4, values: lengths },
    ];
    return bigTiff([{ tags }], Buffer.concat(parts), options.structure ?? STRUCTURE);
  };
  const whole = make(0);
  // tables are as long wherever the tiles are, so that the second run puts them right
  const total = Array.from({ length: SIDE * SIDE }, (_, tile) => (stored[tile & 255]?.length ?? 0) + 8);
  return loggedSource(make(whole.length - total.reduce((sum, bytes) => sum + bytes, 0)));
}

const WINDOW = { x: 800, y: 1000, width: 40, height: 40 };

async function check(source: LoggedSource): Promise<number> {
  const reader = await tiffRaster(source);
  const open = source.calls.length;
  const { bands } = await readRaster(reader, { window: WINDOW });
  const truth = Array.from({ length: 1600 }, (_, i) => {
    const tile = Math.floor((WINDOW.y + Math.floor(i / 40)) / 16) * SIDE + Math.floor((WINDOW.x + (i % 40)) / 16);
    return tile & 255;
  });
  expect([...(bands[0] ?? [])]).toEqual(truth);
  return source.calls.length - open;
}

describe("tiles packed as GDAL packs them", () => {
  test("places tell lengths: two round trips, and no table of lengths", async () => {
    const source = packed();
    expect(await check(source)).toBe(2);
    const table = source.calls.at(-2) ?? [];
    expect(table.map(({ start, end }) => end - start)).toEqual([32, 32, 32]);
    expect(source.bytes()).toBeLessThan(32_768 + 96 + 9 * 40);
  });

  test("what was edited since is read by its tables", async () => {
    const source = packed({ structure: STRUCTURE.replace("EDITION=NO", "EDITION=YES") });
    expect(await check(source)).toBe(2);
    expect((source.calls.at(-2) ?? []).length).toBe(6);
  });

  test("a leader that says more than there is, is an error", async () => {
    const reader = await tiffRaster(packed({ lie: true }));
    await expect(readRaster(reader, { window: WINDOW })).rejects.toMatchObject({ code: "malformed" });
  });

  test("the last tile, which has no next one, is read too", async () => {
    const reader = await tiffRaster(packed());
    const { bands } = await readRaster(reader, {
      window: { x: SIDE * 16 - 20, y: SIDE * 16 - 2, width: 20, height: 2 },
    });
    const last = (SIDE * SIDE - 1) & 255;
    expect([...(bands[0] ?? [])].slice(4, 20)).toEqual(Array.from({ length: 16 }, () => last));
  });
});

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tiffRaster } from "../../../src/formats/cog/raster.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { hasGdal } from "../../support/gdal.ts";
import { makeGdalCog } from "../../support/data.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { readRaster, sha256 } from "./read-raster.ts";

const isHere = hasGdal("the requests of a large COG are not counted");

const WINDOW = { x: 1500, y: 1700, width: 1024, height: 1024 };

describe.skipIf(!isHere)("what a window of a COG costs", () => {
  const folder = mkdtempSync(join(tmpdir(), "riffle-cog-"));
  let content = new Uint8Array();

  beforeAll(async () => {
    content = new Uint8Array(readFileSync(await makeGdalCog(join(folder, "scene.tif"), 4096)));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("one request for the index, one call for all tiles: four requests, two round trips, nothing in vain", async () => {
    const source = loggedSource(content);
    const reader = await tiffRaster(source);
    const plan = await reader.plan({ window: WINDOW });
    expect(source.calls).toEqual([[{ start: 0, end: 32_768 }]]);
    const whole = await readRaster(reader, { window: WINDOW });
    expect([whole.width, whole.height]).toEqual([1024, 1024]);
    expect(source.calls).toHaveLength(2);
    expect(source.sent().length).toBeLessThanOrEqual(4);
    expect(source.sent()).toHaveLength(plan.requests + 1);
    expect(plan.ranges).toHaveLength(9);
    expect(source.bytes()).toBe(plan.bytesNeeded);
    const moved = source.sent().reduce((sum, { start, end }) => sum + end - start, 0);
    expect(moved).toBe(plan.bytesFetched);
    const tiles = plan.ranges.reduce((sum, { range }) => sum + range.end - range.start, 0);
    expect(moved).toBeLessThanOrEqual(1.05 * (tiles + 4096));
  });

  test("an overview is read for a small size, with one call", async () => {
    const source = loggedSource(content);
    const reader = await tiffRaster(source);
    const whole = await readRaster(reader, { size: { width: 256, height: 256 } });
    expect([whole.width, whole.height]).toEqual([256, 256]);
    expect(source.calls).toHaveLength(2);
    expect(source.bytes()).toBeLessThan(content.length / 50);
  });

  test("an explained query reads no tile", async () => {
    const source = loggedSource(content);
    const plan = await (await tiffRaster(source)).plan({});
    expect(source.calls).toHaveLength(1);
    expect(plan.ranges).toHaveLength(64);
    expect(plan.pruned).toContainEqual({ what: "tiles or strips of the resolution", total: 64, kept: 64 });
  });

  test("the scan is in strips, whose memory does not grow with the image", async () => {
    const reader = await tiffRaster(loggedSource(content));
    const whole = await readRaster(reader);
    expect(whole.windows).toBe(8);
    for await (const window of reader.scan({ bands: [1] })) expect(window.rows).toBeLessThanOrEqual(512);
  });

  test("who stops early reads no further", async () => {
    const source = loggedSource(content);
    const reader = await tiffRaster(source);
    for await (const window of reader.scan({ window: { x: 0, y: 0, width: 512, height: 512 } })) {
      expect(window.row).toBe(0);
      break;
    }
    expect(source.calls).toHaveLength(2);
  });

  test("an aborted scan ends with the signal's error", async () => {
    const reader = await tiffRaster(loggedSource(content));
    const controller = new AbortController();
    const scan = reader.scan({}, { signal: controller.signal })[Symbol.asyncIterator]();
    await scan.next();
    controller.abort();
    await expect(scan.next()).rejects.toMatchObject({ code: "aborted" });
  });
});

describe.skipIf(FIXTURES === undefined)("what a window of a fixture costs", () => {
  test("sparse tiles cost no request and are empty", async () => {
    const source = loggedSource(new Uint8Array(readFileSync(join(FIXTURES ?? "", "cogeotiff-js/sparse.tiff"))));
    const reader = await tiffRaster(source);
    const index = source.calls.length;
    const whole = await readRaster(reader, { window: { x: 7000, y: 9000, width: 600, height: 600 } });
    expect(
      source.calls
        .slice(index)
        .flat()
        .every(({ start, end }) => end - start <= 20_000),
    ).toBe(true);
    expect(whole.bands.every((band) => band.every((byte) => byte === 0))).toBe(true);
  });

  test("rows of raw strips are read without their neighbours", async () => {
    const source = loggedSource(new Uint8Array(readFileSync(join(FIXTURES ?? "", "rio-cogeo/image_nodata.tif"))));
    const reader = await tiffRaster(source);
    const before = source.bytes();
    const row = await readRaster(reader, { window: { x: 0, y: 100, width: 500, height: 1 } });
    expect(source.bytes() - before).toBe(1000);
    const all = await readRaster(reader);
    expect(sha256(row.bands)).toBe(sha256(all.bands.map((band) => band.subarray(100_000, 101_000))));
  });
});

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memorySource } from "../../src/bytes/source.ts";
import type { ReadPlan } from "../../src/formats/format.ts";
import { openRaster } from "../../src/formats/open.ts";
import { askedArtifact, type AskedArtifact } from "../support/asked.ts";
import { expectedUnits, fixtureBytes } from "../support/expected.ts";
import { FIXTURES } from "../support/fixtures.ts";

const SCENE = "rio-cogeo/image_north.tif";
const PLAIN = "rio-cogeo/image_2000px.tif";
const TILES = "pmtiles/spec/v3/usgs-mt-whitney-8-15-webp-512.pmtiles";

interface Truth {
  readonly window: {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly sha256: string;
  };
  readonly crs: string;
  readonly transform: readonly string[];
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe.skipIf(FIXTURES === undefined)("rasters (skipped without the public test files)", () => {
  let artifact: AskedArtifact;
  let truth: Truth;
  let words: string;
  const sizes = new Map<string, number>();

  beforeAll(async () => {
    // The file's facts are of this shape (fixtures/README.md section 3).
    truth = expectedUnits("tiff").find(([path]) => path === SCENE)?.[1] as unknown as Truth;
    const { x, y, width, height } = truth.window;
    words = [x, y, width, height].join(",");
    artifact = await askedArtifact(
      [SCENE, PLAIN, TILES].map((path) => {
        const bytes = fixtureBytes(path);
        sizes.set(path, bytes.length);
        return { title: path.slice(path.lastIndexOf("/") + 1), content: { kind: "bytes", bytes } } as const;
      }),
    );
  });
  afterAll(() => artifact.close());

  test("a window has the pixels that GDAL gives, and costs its tiles", async () => {
    const { code, stdoutBytes, stderr, moved } = await artifact.ask("raster", [
      "image_north.tif",
      "--window",
      words,
      "--format",
      "npy",
    ]);
    expect([code, stderr]).toEqual([0, ""]);
    const { width, height } = truth.window;
    expect(sha256(stdoutBytes.subarray(stdoutBytes.length - width * height * 2))).toBe(truth.window.sha256);
    // The index, and at most one for each of the four rows of tiles that the window touches.
    expect(moved.blobRequests).toBeLessThanOrEqual(5);
    expect(moved.blobBytes).toBeLessThan((sizes.get(SCENE) ?? 0) / 2);
  });

  test("GeoTIFF keeps the georeference, moved to the window", async () => {
    const path = join(artifact.home.path, "w.tif");
    expect(await artifact.ask("raster", ["image_north.tif", "--window", words, "-o", "w.tif"])).toMatchObject({
      code: 0,
    });
    await using copy = await openRaster(memorySource("w", new Uint8Array(readFileSync(path))));
    // As an affine matrix: its rows are those of x and y.
    const [b = 0, , a = 0, , f = 0, d = 0] = truth.transform.map(Number);
    const { x, y, width, height } = truth.window;
    expect(copy.metadata).toMatchObject({ width, height, crs: truth.crs });
    const transform = copy.metadata.transform ?? [];
    [a + x * b, b, 0, d + y * f, 0, f].forEach((value, at) => expect(transform[at]).toBeCloseTo(value, 4));
    const parts: Uint8Array[] = [];
    for await (const { bands } of copy.scan({}))
      for (const samples of bands) parts.push(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
    expect(sha256(Buffer.concat(parts))).toBe(truth.window.sha256);
  });

  test("a picture is scaled so that something is seen, unless told otherwise", async () => {
    const path = join(artifact.home.path, "p.png");
    const shades = async (more: readonly string[]): Promise<number> => {
      const given = ["image_north.tif", "--size", "200,200", "-o", "p.png", "--force", ...more];
      expect(await artifact.ask("raster", given)).toMatchObject({ code: 0, stderr: "" });
      const { width, height, data } = PNG.sync.read(readFileSync(path));
      expect([width, height]).toEqual([200, 200]);
      return new Set(data.filter((_, at) => at % 4 === 0)).size;
    };
    expect(await shades([])).toBeGreaterThan(5);
    expect(await shades(["--scale", "0,1e9"])).toBe(1);
  });

  test("--explain tells the tiles, and fetches the index alone", async () => {
    const { stdout, moved } = await artifact.ask("raster", [
      "image_north.tif",
      "--window",
      words,
      "--explain",
      "--json",
    ]);
    const plan = JSON.parse(stdout) as ReadPlan & { readonly query: unknown };
    const { sha256: _, ...window } = truth.window;
    expect(plan.query).toEqual({ window });
    expect(plan.ranges.length).toBe(16);
    expect(plan.bytesNeeded).toBeGreaterThan(16_384);
    expect(plan.bytesFetched).toBeGreaterThanOrEqual(plan.bytesNeeded);
    expect(moved.blobBytes).toBeLessThanOrEqual(64 * 1024);
  });

  test("a stored tile comes as it is stored", async () => {
    const listed = await artifact.ask("info", ["usgs-mt-whitney-8-15-webp-512.pmtiles", "--json"]);
    expect(JSON.parse(listed.stdout)).toMatchObject({ format: "pmtiles" });
    // Zoom 8 is the lowest, and its tile is the one around 118.3 W, 36.6 N.
    const file = "usgs-mt-whitney-8-15-webp-512.pmtiles";
    const tile = ["--tile", "8/43/100", "-o", "t.webp"];
    const { code, stderr, moved } = await artifact.ask("raster", [file, ...tile]);
    expect([code, stderr]).toEqual([0, ""]);
    const bytes = readFileSync(join(artifact.home.path, "t.webp"));
    expect(bytes.subarray(0, 4).toString() + bytes.subarray(8, 12).toString()).toBe("RIFFWEBP");
    expect(moved.blobRequests).toBeLessThanOrEqual(3);
    const none = await artifact.ask("raster", [file, "--tile", "8/0/0"]);
    expect([none.code, none.stderr]).toEqual([3, expect.stringContaining("no tile 8/0/0")]);
    const whole = await artifact.ask("raster", [file]);
    expect([whole.code, whole.stderr]).toEqual([2, expect.stringContaining("--tile Z/X/Y")]);
  });

  test.each([
    [["image_north.tif", "--window", "0,0,10,10", "--bbox", "1,2,3,4"], 2, /--window and --bbox are given together/],
    [["image_north.tif", "--bbox-crs", "EPSG:4326"], 2, /without --bbox/],
    [["image_north.tif", "--bands", "7"], 2, /band/],
    [["image_north.tif", "--window", "100000,0,10,10"], 2, /window/],
    [["image_north.tif", "--scale", "1,2"], 2, /--scale is given for tiff/],
    [["image_north.tif", "-o", "x.jpg"], 2, /"\.jpg" does not tell/],
  ])("%j", async (given, code, message) => {
    const outcome = await artifact.ask("raster", given);
    expect([outcome.code, outcome.stdout]).toEqual([code, ""]);
    expect(outcome.stderr).toMatch(message);
    expect(existsSync(join(artifact.home.path, "x.jpg"))).toBe(false);
  });
});

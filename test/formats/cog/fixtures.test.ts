import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { tiffRaster } from "../../../src/formats/cog/raster.ts";
import type { RasterReader } from "../../../src/formats/raster.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { tiffFixtures, type TiffFacts } from "./tiff-fixtures.ts";
import { readRaster, sha256, statistics, type WholeRaster } from "./read-raster.ts";

/** Sound files whose compression or colour model no package here decodes: they are refused by name. */
const UNDECODED = /^TIFF compression .+ cannot be decoded|^YCbCr colours with TIFF compression .+ cannot be decoded/;
const UNDECODED_CODES: ReadonlySet<unknown> = new Set([2, 3, 4, 6, 32766, 32809, 34676, 34925, 50001]);

function open(name: string): Promise<RasterReader> {
  return tiffRaster(memorySource(name, new Uint8Array(readFileSync(join(FIXTURES ?? "", name)))));
}

function isUndecoded(facts: TiffFacts): boolean {
  const { compression, photometric } = facts.ifds?.[0] ?? {};
  return UNDECODED_CODES.has(compression) || (photometric === 6 && compression !== 7);
}

function expectPixels(whole: WholeRaster, facts: TiffFacts): void {
  if (facts.pixels === "exact") {
    expect(sha256(whole.bands)).toBe(facts.sha256);
    return;
  }
  if (facts.pixels?.startsWith("exact if") === true && sha256(whole.bands) === facts.sha256) return;
  const found = statistics(whole);
  for (const [i, { min, max, mean }] of (facts.stats ?? []).entries()) {
    expect(Math.abs((found[i]?.min ?? NaN) - Number(min))).toBeLessThanOrEqual(3);
    expect(Math.abs((found[i]?.max ?? NaN) - Number(max))).toBeLessThanOrEqual(3);
    expect(Math.abs((found[i]?.mean ?? NaN) - Number(mean))).toBeLessThanOrEqual(1);
  }
}

/** Colour models that the reference turns into RGB come as they are. */
function isConverted(facts: TiffFacts): boolean {
  return facts.pixels?.startsWith("reference converts") === true;
}

function expectMetadata({ metadata }: RasterReader, facts: TiffFacts): void {
  expect([metadata.width, metadata.height]).toEqual([facts.width, facts.height]);
  if (!isConverted(facts)) {
    expect(metadata.bands).toHaveLength(facts.bands ?? 0);
    // complex integers come as floats: no other reader has a type for them either
    expect(metadata.bands[0]?.type).toBe(facts.dtype === "complex_int16" ? "complex64" : facts.dtype);
  }
  expect(metadata.bands[0]?.nodata).toEqual(
    (facts.nodata ?? undefined) === undefined ? undefined : Number(facts.nodata),
  );
  // libtiff cuts long strips of raw pixels into short ones, which are not in the file
  if (facts.ifds?.[0]?.["tiled"] === true) expect([metadata.blockWidth, metadata.blockHeight]).toEqual(facts.block);
  if (facts.crs?.startsWith("EPSG") === true && metadata.crs?.startsWith("+proj") !== true)
    expect(metadata.crs).toBe(facts.crs);
  if (typeof facts.crs !== "string") expect(metadata.crs).toBeUndefined();
  else if (!facts.crs.startsWith("LOCAL_CS")) expect(metadata.crs).toBeDefined();
  const [a, b, c, d, e, f] = metadata.transform ?? [0, 1, 0, 0, 0, 1];
  for (const [i, value] of [b, c, a, e, f, d].entries()) {
    const truth = Number(facts.transform?.[i]);
    expect(Math.abs(value - truth)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(truth)));
  }
}

const fixtures = tiffFixtures();
const having = (...outcomes: TiffFacts["outcome"][]) =>
  fixtures.filter(({ facts }) => outcomes.includes(facts.outcome));
const decoded = having("read").filter(({ facts }) => !isUndecoded(facts));

describe.skipIf(FIXTURES === undefined)("TIFF fixtures", () => {
  test("most of the readable files are decoded, not refused", () => {
    expect(decoded.length).toBeGreaterThan(200);
  });

  // the largest has 214 MB of pixels, and is read and hashed more than once
  test.each(decoded)("$name is read", { timeout: 180_000 }, async ({ name, facts }) => {
    const reader = await open(name);
    expectMetadata(reader, facts);
    const whole = await readRaster(reader);
    expect([whole.width, whole.height]).toEqual([facts.width, facts.height]);
    if (isConverted(facts)) return;
    expectPixels(whole, facts);
    const { window, overview = [], maskSha256 } = facts;
    if (facts.pixels !== "exact") return;
    if (window !== undefined) expect(sha256((await readRaster(reader, { window })).bands)).toBe(window.sha256);
    for (const { width, height, sha256: truth } of overview) {
      expect(sha256((await readRaster(reader, { size: { width, height } })).bands)).toBe(truth);
    }
    expect(whole.mask && sha256([whole.mask])).toBe(maskSha256);
  });

  test.each(having("read").filter(({ facts }) => isUndecoded(facts)))(
    "$name is refused by name",
    async ({ name, facts }) => {
      const reader = await open(name);
      expect([reader.metadata.width, reader.metadata.height]).toEqual([facts.width, facts.height]);
      await expect(readRaster(reader)).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringMatching(UNDECODED) as string,
      });
    },
  );

  test.each(having("unsupported"))("$name is refused by name", async ({ name }) => {
    const read = async (): Promise<unknown> => readRaster(await open(name));
    await expect(read()).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(UNDECODED) as string,
    });
  });

  test.each(having("refuse", "refuse-data"))("$name is an error", async ({ name }) => {
    const read = async (): Promise<unknown> => readRaster(await open(name));
    await expect(read()).rejects.toMatchObject({ code: expect.stringMatching(/^(malformed|unsupported)$/) as string });
  });

  test.each(having("metadata"))("$name: what it is costs nothing", async ({ name, facts }) => {
    const reader = await open(name);
    expectMetadata(reader, facts);
    const corner = { window: { x: 0, y: 0, width: 10, height: 1 } };
    const plan = await reader.plan(corner).catch((error: unknown) => error);
    if (name.includes("bigtiff_header_extract")) expect(plan).toMatchObject({ code: "malformed" });
    else expect(plan).toMatchObject({ bytesNeeded: expect.any(Number) as number });
  });

  test.each(having("settle"))("$name ends", async ({ name }) => {
    const read = async (): Promise<string> => {
      await readRaster(await open(name));
      return "pixels";
    };
    const end = await read().catch((error: unknown) => (error as { code?: string }).code);
    expect(["pixels", "malformed", "unsupported"]).toContain(end);
  });
});

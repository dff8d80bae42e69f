import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import type { FileInfo } from "../../../src/formats/format.ts";
import { cog } from "../../../src/formats/cog/module.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { tiffFixtures } from "./tiff-fixtures.ts";

const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(join(FIXTURES ?? "", name)));
const info = (name: string): Promise<FileInfo> => cog.info(memorySource(name, bytesOf(name)));

describe.skipIf(FIXTURES === undefined)("what is told of a TIFF", () => {
  test("a COG", async () => {
    const source = loggedSource(bytesOf("rio-tiler/cog_dateline.tif"));
    const { title, facts, notes } = await cog.info(source);
    expect(title).toBe("Cloud-Optimized GeoTIFF");
    expect(facts).toMatchObject({
      width: 2325,
      height: 2355,
      validCog: true,
      crs: "EPSG:32660",
      compression: "deflate",
    });
    expect(facts["overviews"]).toHaveLength(3);
    expect(facts["structure"]).toMatchObject({ LAYOUT: "IFDS_BEFORE_DATA" });
    expect(notes).toEqual([]);
    expect(source.calls).toHaveLength(1);
  });

  const order = "the pixels of an overview do not lie before those of the larger image";
  const behind = "a directory lies behind pixels";
  const trips = "some of its directories lie behind pixels: more round trips find them";
  const late = "its first directory is not at the beginning: one more round trip finds it";
  const whole = "it has no overviews: a small picture of all of it takes all of its bytes";
  const wide = "a window takes strips of full width: more bytes than its tiles would be";
  test.each([
    ["rio-cogeo/image_web.tif", "GeoTIFF", ["the image is in strips, not in tiles"], [wide, whole]],
    ["rio-cogeo/validate/image_dec.tif", "GeoTIFF", [order, behind], [trips]],
    ["rasterio/alpha.tif", "GeoTIFF", [behind], [late, whole, trips]],
    ["rasterio/rgb3.tif", "GeoTIFF", undefined, []],
    ["rio-cogeo/image_north.tif", "Cloud-Optimized GeoTIFF", undefined, [whole]],
  ])("why %s is slower", async (name, title, faults, slow) => {
    const told = await info(name);
    expect(told.title).toBe(title);
    expect(told.facts["cogFaults"]).toEqual(faults);
    expect(told.notes).toEqual(slow);
  });

  test("a compression that is not decoded is named", async () => {
    const { notes } = await info("rio-cogeo/image_webp.tif");
    expect(notes).toContain("its pixels cannot be read: TIFF compression WebP (50001) cannot be decoded");
  });

  test.each(tiffFixtures().filter(({ facts }) => facts.outcome === "read"))(
    "$name: JSON facts",
    async ({ name, facts }) => {
      const told = await info(name);
      expect(JSON.parse(JSON.stringify(told.facts))).toEqual(told.facts);
      expect([told.facts["width"], told.facts["height"]]).toEqual([facts.width, facts.height]);
    },
  );
});

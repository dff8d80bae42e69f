import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { tiffExtents } from "../../../src/formats/cog/extents.ts";
import { extentAt, extentRanges } from "../../../src/formats/extents.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { tiffFixtures } from "./tiff-fixtures.ts";

const fixture = (name: string): Uint8Array => readFileSync(join(FIXTURES ?? "", name));

describe.skipIf(FIXTURES === undefined)("the extents of a TIFF", () => {
  test("a COG's index takes one request, and its tiles begin with their leaders", async () => {
    const content = fixture("rio-tiler/cog_dateline.tif");
    const source = loggedSource(content);
    const table = await tiffExtents(source);
    expect(source.calls).toEqual([[{ start: 0, end: 32768 }]]);
    expect(table.count).toBeGreaterThan(10);
    const view = new DataView(content.buffer, content.byteOffset);
    for (const { start, end } of extentRanges(table)) expect(view.getUint32(start, true)).toBe(end - start - 4);
    expect(new Set(table.series)).toEqual(new Set([0, 1, 2, 3]));
    expect(extentAt(table, (table.starts[0] ?? 0) - 1)).toBe(-1);
  });

  test("leaders of a file that was edited are not believed", async () => {
    const name = "rio-cogeo/validate/image_known_incompatible_ghost_headers.tif";
    const content = fixture(name);
    const edited = await tiffExtents(memorySource(name, content));
    const sound = Buffer.from(content);
    const at = sound.indexOf("KNOWN_INCOMPATIBLE_EDITION=YES");
    sound.write("KNOWN_INCOMPATIBLE_EDITION=NO\n", at, "latin1");
    const trusted = await tiffExtents(memorySource(name, sound));
    expect(at).toBeGreaterThan(0);
    expect(edited.count).toBeGreaterThan(0);
    expect([...trusted.starts]).toEqual([...edited.starts].map((start) => start - 4));
  });

  test("an index at the end takes two requests", async () => {
    const source = loggedSource(fixture("rio-cogeo/image_north.tif"));
    const table = await tiffExtents(source);
    expect(source.calls.length).toBeLessThanOrEqual(2);
    expect(table.count).toBeGreaterThan(0);
  });

  test.each(tiffFixtures())("$name: an answer, whatever the file", async ({ name }) => {
    const content = fixture(name);
    const table = await tiffExtents(memorySource(name, content));
    for (const { start, end } of extentRanges(table)) expect(start < end && end <= content.length).toBe(true);
  });

  test("sparse tiles have no extents", async () => {
    expect((await tiffExtents(memorySource("sparse", fixture("cogeotiff-js/sparse.tiff")))).count).toBe(0);
  });
});

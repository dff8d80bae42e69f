import { expect, test } from "vitest";
import { isRiffleError } from "../../src/errors.ts";
import { describeFile } from "../../src/formats/describe.ts";
import { detectFormat } from "../../src/formats/detect.ts";
import { describeFixtures, expectedUnits, fixtureBytes, isFixtureFile } from "../support/expected.ts";
import { loggedSource } from "../support/logged-source.ts";

const files = expectedUnits().filter(([path]) => isFixtureFile(path));

/** A refused file must be refused by `info` too, where the reason lies in what info reads. */
const MAY_DESCRIBE = new Set(["refuse", "refuse-data", "either", "settle", "unsupported", "metadata"]);

describeFixtures("describing any file ends in facts or in an error of ours", () => {
  test.each(files)("%s", async (path, unit) => {
    const source = loggedSource(fixtureBytes(path));
    try {
      const { format, notes } = await describeFile(source, { name: path });
      if (format === undefined) expect(notes.length).toBe(1);
    } catch (error) {
      if (!isRiffleError(error)) throw error;
      expect(["malformed", "unsupported"]).toContain(error.code);
      expect(MAY_DESCRIBE.has(unit.outcome) ? "" : `${error.code}: ${error.message}`).toBe("");
    }
  });
});

describeFixtures("extents of any file are sound and cheap", () => {
  test.each(files)("%s", async (path) => {
    const source = loggedSource(fixtureBytes(path));
    const module = await (await detectFormat(source, { name: path }))?.load?.();
    if (module?.extents === undefined) return;
    const table = await module.extents(source).catch((error: unknown) => {
      if (!isRiffleError(error)) throw error;
    });
    let end = 0;
    for (let row = 0; row < (table?.count ?? 0); row += 1) {
      const start = table?.starts[row] ?? -1;
      expect(start).toBeGreaterThanOrEqual(end);
      end = table?.ends[row] ?? -1;
      expect(end).toBeGreaterThan(start);
    }
    expect(end).toBeLessThanOrEqual(source.size);
  });
});

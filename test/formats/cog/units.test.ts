import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { openTiff } from "../../../src/formats/cog/tiff-file.ts";
import { readUnits, unitCount } from "../../../src/formats/cog/units.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { tiffFixtures } from "./tiff-fixtures.ts";

const described = tiffFixtures().filter(({ facts }) => facts.ifds !== undefined);

describe.skipIf(FIXTURES === undefined)("the walk of the directories", () => {
  test.each(described)("$name", async ({ name, facts }) => {
    const bytes = readFileSync(join(FIXTURES ?? "", name));
    const file = await openTiff(memorySource(name, bytes));
    expect(file.layout).toEqual({ littleEndian: facts.endian === "little", big: facts.bigTiff });
    expect(file.ghost !== undefined).toBe(facts.ghostArea);
    const found = [];
    for (const image of file.images) {
      if (image === undefined) continue;
      const [table] = await readUnits(file.index, {
        image,
        layout: file.layout,
        spans: [{ from: 0, to: unitCount(image) }],
      }).catch(() => []);
      const units = Array.from(table?.offsets ?? [], (offset, i) => ({ offset, length: table?.lengths[i] ?? 0 }));
      const full = units.filter(({ offset, length }) => offset > 0 && length > 0);
      const lines = full
        .sort((a, b) => a.offset - b.offset || a.length - b.length)
        .map(({ offset, length }) => `${offset},${offset + length}\n`);
      found.push({
        width: image.width,
        height: image.height,
        compression: image.compression,
        photometric: image.photometric,
        samples: image.samples,
        planar: image.planar,
        predictor: image.predictor,
        subfileType: image.subfileType,
        tiled: image.tiled,
        ...(image.tiled ? { tile: [image.unitWidth, image.unitHeight] } : {}),
        ...(image.bits.length > 0 ? { bits: image.bits } : {}),
        ...(image.sampleFormat.length > 0 ? { sampleFormat: image.sampleFormat } : {}),
        units: units.length,
        sparse: units.length - full.length,
        bytes: full.reduce((sum, { length }) => sum + length, 0),
        pastEnd: full.filter(({ offset, length }) => offset + length > bytes.length).length,
        rangesSha256: createHash("sha256").update(lines.join("")).digest("hex"),
      });
    }
    expect(found).toEqual(facts.ifds);
  });
});

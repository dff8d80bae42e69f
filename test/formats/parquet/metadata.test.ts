import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { RiffleError } from "../../../src/errors.ts";
import { readFooter } from "../../../src/formats/parquet/footer.ts";
import { parseMetadata } from "../../../src/formats/parquet/metadata.ts";
import { parquetInfo } from "../../../src/formats/parquet/info.ts";
import { fixtureSource, parquetUnits } from "./fixture-units.ts";

const readable = parquetUnits("read");

test.skipIf(readable.length === 0).each(readable)("metadata of $path", async ({ path, metadata: truth, rows }) => {
  const source = fixtureSource(path);
  const footer = await readFooter(source);
  const metadata = parseMetadata(footer.bytes, source.size);
  expect(metadata.rows).toBe(rows);
  expect(metadata.root.leaves).toBe(truth.leaves);
  expect(metadata.rowGroups.map((group) => group.rows)).toEqual(truth.rowGroups);
  const chunks = metadata.rowGroups.flatMap((group) => group.chunks);
  const lines = chunks.map(({ range }) => range).sort((a, b) => a.start - b.start || a.end - b.end);
  const digest = createHash("sha256").update(lines.map(({ start, end }) => `${start},${end}\n`).join(""));
  expect(digest.digest("hex")).toBe(truth.chunkRangesSha256);
  const { facts } = await parquetInfo(source);
  // The truths call codec 7 by the name of codec 5, and codec 5 unknown.
  const codecs = truth.codecs.map((name) => ({ LZ4: "LZ4_RAW", UNKNOWN: "LZ4" })[name] ?? name);
  expect(facts["codecs"]).toEqual(codecs.sort());
  expect(facts).toMatchObject({
    columnIndexes: truth.columnIndexes,
    offsetIndexes: truth.offsetIndexes,
    bloomFilters: truth.bloomFilters,
  });
});

test.skipIf(readable.length === 0)("an encrypted footer is refused as such", async () => {
  const encrypted = parquetUnits("refuse").filter(({ path }) => path.endsWith(".encrypted"));
  expect(encrypted.length).toBeGreaterThan(3);
  for (const { path } of encrypted) {
    const refusal = await parquetInfo(fixtureSource(path)).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RiffleError);
    expect(refusal).toMatchObject({ code: "unsupported", message: expect.stringContaining("encrypted") as string });
  }
});

test.skipIf(readable.length === 0)("a footer with any byte changed gives metadata or a RiffleError", async () => {
  const { path } = readable.find((unit) => unit.path.endsWith("nested_maps.snappy.parquet")) ?? { path: "" };
  const source = fixtureSource(path);
  const { bytes } = await readFooter(source);
  for (let at = 0; at < bytes.length; at++) {
    for (const value of [0, 0x7f, 0xff, 0x19, 0x9c, 0xf9]) {
      const damaged = bytes.slice();
      damaged[at] = value;
      try {
        parseMetadata(damaged, source.size);
      } catch (error) {
        expect(error).toBeInstanceOf(RiffleError);
      }
    }
  }
});

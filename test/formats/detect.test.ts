import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { memorySource } from "../../src/bytes/source.ts";
import { detectDirectory, detectFormat, likelyFormats, PROBE_BYTES } from "../../src/formats/detect.ts";
import { FORMATS } from "../../src/formats/formats.ts";
import { describeFixtures, expectedUnits, fixtureBytes, fixturePath, isFixtureFile } from "../support/expected.ts";
import { loggedSource } from "../support/logged-source.ts";

const names = new Set<string>(FORMATS.map(({ name }) => name));

/** Units whose bytes show no trace of the format they are filed under: there is nothing to detect. */
const WITHOUT_MAGIC = new Set([
  // Input for an encoder, no file.
  "arrow-fuzz/encoding-fuzzing/clusterfuzz-testcase-minimized-parquet-encoding-fuzz-6365311967494144",
  "arrow-fuzz/encoding-fuzzing/clusterfuzz-testcase-minimized-parquet-encoding-fuzz-6493708102205440",
  "arrow-fuzz/encoding-fuzzing/clusterfuzz-testcase-parquet-encoding-fuzz-5530405595054080",
  // Their magic, or what stands for one, is what was broken in them.
  "made/gguf/bad-magic.gguf",
  "made/safetensors/bad-header-not-json.safetensors",
  "pmtiles/js/test/data/invalid.pmtiles",
  // Empty, or without end record and local header.
  "yauzl/failure/End of central directory record signature not found Either not a zip file or file is truncated_1.zip",
  "libarchive/test_read_format_zip_ppmd8_crash_1.zipx",
  "libarchive/test_read_format_zip_ppmd8_crash_2.zipx",
]);

const known = expectedUnits().filter(([path, { format }]) => names.has(format) && isFixtureFile(path));
/** Filed under what they are packed in, or what lies in them. */
const expectedFormat = (path: string, format: string): string =>
  path.endsWith(".npz") ? "npz" : path.endsWith(".zarr.zip") ? "zarr" : format;

describeFixtures("every unit is detected from its content", () => {
  test.each(known)("%s", async (path, unit) => {
    const source = memorySource(path, fixtureBytes(path));
    const expected = WITHOUT_MAGIC.has(path) ? undefined : expectedFormat(path, unit.format);
    for (const name of [undefined, path, "wrong.tif", "wrong.parquet", "wrong.zip", "wrong.csv", "wrong.jsonl"]) {
      const found = await detectFormat(source, name === undefined ? {} : { name });
      // What has no magic is what its wrong name says, where that holds for any text.
      if (expected === undefined && (name === "wrong.csv" || name === "wrong.jsonl")) continue;
      expect([name, found?.name]).toEqual([name, expected]);
    }
  });

  test("and nothing else is", async () => {
    const others = expectedUnits().filter(([path, { format }]) => !names.has(format) && isFixtureFile(path));
    expect(others.length).toBeGreaterThan(100);
    for (const [path] of others) {
      const found = await detectFormat(memorySource(path, fixtureBytes(path)));
      expect([path, found?.name]).toEqual([path, undefined]);
    }
  });

  test.each(expectedUnits("zarr").filter(([path]) => !isFixtureFile(path)))("%s is a Zarr directory", (path) => {
    const all = readdirSync(fixturePath(path), { recursive: true, withFileTypes: true });
    const files = all.filter((entry) => entry.isFile());
    const paths = files.map(({ parentPath, name }) => relative(fixturePath(path), join(parentPath, name))).toSorted();
    expect(detectDirectory({ paths, file: () => undefined })?.name).toBe("zarr");
  });
});

test.each([
  [["zarr.json", "c/0/0"], "zarr"],
  [["a/zarr.json", "a/c/0", "b/.zarray"], "zarr"],
  [["a/zarr.json", "README.md"], undefined],
  [["a/zarr.json", "b/x.tif"], undefined],
  [["a/b/zarr.json"], undefined],
  [[], undefined],
])("a directory of %j is %s", (paths, expected) => {
  expect(detectDirectory({ paths, file: () => undefined })?.name).toBe(expected);
});

const padded = (size: number, parts: Readonly<Record<number, string>>): Uint8Array => {
  const bytes = Buffer.alloc(size, 1);
  for (const [at, text] of Object.entries(parts))
    bytes.write(text, Number(at) < 0 ? size + Number(at) : Number(at), "latin1");
  return bytes;
};

const LARGE = 1_000_000;
const parquet = padded(LARGE, { 0: "PAR1", [-4]: "PAR1" });
const tiff = padded(LARGE, { 0: "II*\0" });

test.each([
  ["a right hint: one request at the tail", parquet, { name: "x.parquet" }, "parquet", [[LARGE - PROBE_BYTES]]],
  ["a right hint: one request at the head", tiff, { name: "x.TIF" }, "tiff", [[0]]],
  ["a media type with parameters", tiff, { mediaType: "image/tiff; application=geotiff" }, "tiff", [[0]]],
  ["no hint: both ends together", parquet, {}, "parquet", [[0, LARGE - PROBE_BYTES]]],
  ["a wrong hint: the other end too", parquet, { name: "x.tif" }, "parquet", [[0], [LARGE - PROBE_BYTES]]],
  ["a media type before a name", tiff, { name: "x.parquet", mediaType: "image/tiff" }, "tiff", [[0]]],
  ["nothing known", padded(LARGE, {}), {}, undefined, [[0, LARGE - PROBE_BYTES]]],
  ["a name alone is not believed", padded(LARGE, {}), { name: "x.parquet" }, undefined, [[LARGE - PROBE_BYTES], [0]]],
  ["binary is no CSV", padded(LARGE, { 9: "\0" }), { name: "x.csv" }, undefined, [[0], [LARGE - PROBE_BYTES]]],
  ["text is, by its name", Buffer.from("a,b\n".repeat(250_000)), { name: "x.csv" }, "csv", [[0]]],
  ["but not without", Buffer.from("a,b\n".repeat(250_000)), {}, undefined, [[0, LARGE - PROBE_BYTES]]],
  ["JSON lines by name", Buffer.from('{"a":1}\n'.repeat(2)), { name: "x.jsonl" }, "ndjson", [[0]]],
  ["one JSON document is no JSON lines", Buffer.from('{\n"a":1}\n'), { name: "x.ndjson" }, undefined, [[0]]],
  ["a small file is read once", Buffer.from("II*\0----"), {}, "tiff", [[0]]],
  ["an empty file", new Uint8Array(), { name: "x.csv" }, undefined, [[0]]],
  ["HDF5 behind a user block", padded(LARGE, { 2048: "\x89HDF\r\n\x1a\n" }), {}, "hdf5", [[0, LARGE - PROBE_BYTES]]],
  ["not at any place", padded(LARGE, { 2000: "\x89HDF\r\n\x1a\n" }), {}, undefined, [[0, LARGE - PROBE_BYTES]]],
  [
    "a cut character at the end of the probe",
    Buffer.from(`a${"ü".repeat(PROBE_BYTES)}`),
    { name: "x.csv" },
    "csv",
    [[0]],
  ],
] as const)("%s", async (_, bytes, hint, expected, starts) => {
  const source = loggedSource(bytes);
  expect((await detectFormat(source, hint))?.name).toBe(expected);
  expect(source.calls.map((ranges) => ranges.map(({ start }) => start))).toEqual(starts);
  expect(source.bytes()).toBeLessThanOrEqual(2 * PROBE_BYTES);
});

/** A zip of empty stored members; its directory is longer than what detection reads. */
function longZip(members: readonly string[]): Uint8Array {
  const headers = (signature: number, bytes: number, nameAt: number): readonly Buffer[] =>
    members.map((name) => {
      const header = Buffer.alloc(bytes);
      header.writeUInt32LE(signature);
      header.writeUInt16LE(name.length, nameAt);
      return Buffer.concat([header, Buffer.from(name)]);
    });
  const locals = Buffer.concat(headers(0x04034b50, 30, 26));
  const directory = Buffer.concat(headers(0x02014b50, 46, 28));
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(locals.length, 16);
  return Buffer.concat([locals, directory, end]);
}

const chunks = Array.from({ length: 3000 }, (_, at) => `c/${at}/0/0`);

test.each([
  ["documents first, no hint", ["zarr.json", ...chunks], {}, "zarr", 2],
  ["documents last", [...chunks, ".zgroup"], { name: "x.zip" }, "zarr", 1],
  ["documents out of sight, by its name", [...chunks, "zarr.json", ...chunks], { name: "x.zarr.zip" }, "zarr", 1],
  ["documents out of sight, without", [...chunks, "zarr.json", ...chunks], {}, "zip", 2],
  ["only arrays", chunks.map((name) => `${name}.npy`), { name: "x.npz" }, "npz", 1],
  ["something else, named npz", ["a.npy", "b.txt"], { name: "x.npz" }, "zip", 1],
] as const)("a zip with %s", async (_, members, hint, expected, ends) => {
  const source = loggedSource(longZip(members));
  expect((await detectFormat(source, hint))?.name).toBe(expected);
  expect(source.calls.flat().length).toBe(ends);
});

test("every row can be pointed at by an extension and a media type", () => {
  for (const { name, extensions, mediaTypes } of FORMATS) {
    for (const extension of extensions)
      expect(likelyFormats({ name: `A${extension.toUpperCase()}` }).map((f) => f.name)).toContain(name);
    for (const mediaType of mediaTypes) expect(likelyFormats({ mediaType }).map((f) => f.name)).toContain(name);
    expect([...extensions, ...mediaTypes]).toEqual([...extensions, ...mediaTypes].map((text) => text.toLowerCase()));
  }
});

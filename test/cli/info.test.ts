import { existsSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { factsText } from "../../src/cli/facts-text.ts";
import { putArtifact } from "../support/artifacts.ts";
import { createHome, riffle, type Home, type Outcome } from "../support/cli.ts";
import { describeFixtures, fixturePath } from "../support/expected.ts";
import { startRegistry, type RegistryHandle } from "../support/registry/server.ts";

/** An empty netCDF with one attribute, and 3 MB behind it. */
const netcdf = Buffer.concat([
  Buffer.from("CDF\x01"),
  Buffer.from("00000000".repeat(3), "hex"),
  Buffer.from("0000000c00000001", "hex"),
  Buffer.from("00000005", "hex"),
  Buffer.from("title\0\0\0"),
  Buffer.from("0000000200000003", "hex"),
  Buffer.from("a\x1bb\0"),
  Buffer.alloc(8 + 3_000_000),
]);

let registry: RegistryHandle;
let home: Home;
const text = (bytes: string): { readonly kind: "bytes"; readonly bytes: Buffer } => ({
  kind: "bytes",
  bytes: Buffer.from(bytes),
});
let reference: string;

beforeAll(async () => {
  registry = await startRegistry();
  const zarray = { zarr_format: 2, shape: [2], chunks: [2], dtype: "<i4", order: "C", fill_value: 0 };
  const store = [
    { title: "store/.zgroup", content: text(JSON.stringify({ zarr_format: 2 })) },
    { title: "store/a/.zarray", content: text(JSON.stringify({ ...zarray, compressor: null, filters: null })) },
  ];
  ({ reference } = await putArtifact(
    registry,
    { repository: "eo/mixed", tag: "v1" },
    {
      files: [
        { title: "data/x.nc", content: { kind: "bytes", bytes: netcdf }, mediaType: "application/x-netcdf" },
        { title: "data/wrong.parquet", content: { kind: "bytes", bytes: netcdf.subarray(0, -1) } },
        { title: "README", content: text("read me\n") },
        { title: "fake.tif", content: text("no TIFF at all") },
        { title: "empty.csv", content: text("") },
        { title: "broken.pmtiles", content: text("PMTiles\x03") },
        ...store,
      ],
    },
  ));
});
afterAll(() => registry.close());
beforeEach(async () => {
  home = createHome();
  await registry.reset();
});
afterEach(() => home.remove());

const run = (...words: readonly string[]): Promise<Outcome> => riffle(["info", reference, ...words], { home });
const json = async (path: string): Promise<Record<string, unknown>> => {
  const { code, stdout, stderr } = await run(path, "--json");
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Record<string, unknown>;
};

describe("riffle info", () => {
  test("for people: path, format and facts, one request for the blob, nothing that a terminal would obey", async () => {
    const { code, stdout, stderr } = await run("data/x.nc");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(
      /^path: {8}data\/x\.nc\nsize: {8}2\.9 MiB \(3000\d+ bytes\)\ndigest: {6}sha256:[0-9a-f]{64}\n/,
    );
    expect(stdout).toContain("\nmedia type:  application/x-netcdf\nformat:      NetCDF classic\n\nversion: ");
    expect(stdout).toContain("\nattributes:\n  title:  a b\n");
    expect(stdout).not.toContain("\x1b");
    const { kinds } = await registry.counters();
    expect([kinds.manifest.requests, kinds.blob.requests]).toEqual([1, 1]);
    expect(kinds.blob.bytes).toBeLessThanOrEqual(64 * 1024);
  });

  test("--json has these members", async () => {
    const found = await json("data/x.nc");
    expect(Object.keys(found)).toEqual("path type size digest mediaType format title facts notes".split(" "));
    expect(found).toMatchObject({ format: "netcdf-classic", type: "file", mediaType: "application/x-netcdf" });
  });

  test("content decides, not the name", async () => {
    expect(await json("data/wrong.parquet")).toMatchObject({ format: "netcdf-classic" });
    const { kinds } = await registry.counters();
    expect(kinds.blob.requests).toBe(2);
  });

  test.each([
    ["README", /no format/],
    ["fake.tif", /says TIFF, but its content is not that/],
    ["empty.csv", /empty/],
  ])("%s is in no format: said, and no failure", async (path, note) => {
    const found = await json(path);
    expect(found).toMatchObject({ format: null, title: null, facts: {} });
    expect(found["notes"]).toEqual([expect.stringMatching(note)]);
    const plain = await run(path);
    expect([plain.code, plain.stdout]).toEqual([0, expect.stringMatching(/format: +not recognised\n\nnote: /)]);
  });

  test("a Zarr directory is one thing", async () => {
    expect(await json("store/")).toMatchObject({
      path: "store",
      type: "directory",
      format: "zarr",
      files: 2,
      digest: null,
    });
  });

  test.each([
    ["data", 2, /"data" is a directory, and no Zarr store/],
    ["", 2, /"\/" is a directory/],
    ["nope", 3, /no path "nope"/],
    ["broken.pmtiles", 6, /PMTiles archive is broken/],
  ] as const)("%j: exit %i", async (path, expected, message) => {
    const { code, stdout, stderr } = await run(path);
    expect([code, stdout]).toEqual([expected, ""]);
    expect(stderr).toMatch(message);
  });

  test("--help has examples", async () => {
    const { code, stdout } = await run("--help");
    expect(code).toBe(0);
    expect(stdout).toContain("riffle info ghcr.io/eo/scenes:v1 scene.tif");
  });
});

/** At most two requests after the manifest, cold, for every one of them. */
describeFixtures("info of real files", () => {
  const files = [
    "cogeotiff-js/big_cog.tiff",
    "rio-tiler/cog_fullearth.tif",
    "parquet-testing/data/alltypes_tiny_pages_plain.parquet",
    "parquet-testing/data/nested_structs.rust.parquet",
    "pmtiles/spec/v3/usgs-mt-whitney-8-15-webp-512.pmtiles",
    "croissant/datasets/1.0/recipes/data/zip_with_csv.zip",
  ].filter((path) => existsSync(fixturePath(path)));

  test("enough of them are there", () => expect(files.length).toBeGreaterThanOrEqual(4));

  test.each(files)("%s", async (path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const { reference: real } = await putArtifact(
      registry,
      { repository: "eo/real", tag: "v1" },
      { files: [{ title: name, content: { kind: "bytes", bytes: readFileSync(fixturePath(path)) } }] },
    );
    await registry.reset();
    const { code, stdout } = await riffle(["info", "--json", real, name], { home });
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { format: string }).format).not.toBeNull();
    const { kinds } = await registry.counters();
    expect([kinds.manifest.requests, kinds.blob.requests <= 2]).toEqual([1, true]);
  });
});

describe("facts for people", () => {
  const style = { colour: false, cellLimit: undefined };
  test("plain facts are aligned, objects and tables are sections, their names stay the file's", () => {
    const facts = {
      rowGroups: 3,
      tileBytes: 2048,
      clustered: true,
      zoom: [0, 5],
      none: null,
      empty: {},
      nothing: [],
      attributes: { someName: "a\nb" },
      columns: [
        { name: "id", rows: 12 },
        { name: "a longer one", rows: 3, isKey: false },
      ],
    };
    expect(factsText(facts, style)).toEqual([
      "row groups:  3",
      "tile bytes:  2048 (2.0 KiB)",
      "clustered:   yes",
      "zoom:        0, 5",
      "none:        -",
      "nothing:     none",
      "",
      "attributes:",
      "  someName:  a b",
      "",
      "columns:",
      "  name          rows  is key",
      "  id              12",
      "  a longer one     3  no",
    ]);
  });

  test("long cells are cut on a terminal alone, and colour is only there when wanted", () => {
    const facts = { list: [{ name: "x".repeat(20) }] };
    expect(factsText(facts, { ...style, cellLimit: 5 }).at(-1)).toBe("  xxxx…");
    expect(factsText(facts, style).at(-1)).toBe(`  ${"x".repeat(20)}`);
    expect(factsText(facts, { ...style, colour: true }).join("")).toContain("\x1b[1mlist:\x1b[0m");
  });
});

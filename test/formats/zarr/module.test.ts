import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { zarr, zarrDirectory } from "../../../src/formats/zarr/module.ts";
import { crc32c } from "../../../src/formats/zarr/checksums.ts";
import { readAll } from "../../support/arrays.ts";
import { describeFixtures, fixtureBytes } from "../../support/expected.ts";
import { loggedFiles } from "../../support/file-set.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { madeZip } from "../../support/zip-file.ts";

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const SIDE = 16;
const SHAPE = [64, 64];

/** Version 3, uint16, element (y, x) being y * 64 + x. */
function metadata(codecs: readonly object[], more: object = {}): Uint8Array {
  return json({
    zarr_format: 3,
    node_type: "array",
    shape: SHAPE,
    data_type: "uint16",
    chunk_grid: { name: "regular", configuration: { chunk_shape: [SIDE, SIDE] } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    fill_value: 7,
    codecs,
    attributes: { units: "m" },
    ...more,
  });
}

const LITTLE = { name: "bytes", configuration: { endian: "little" } };

function chunkBytes(cy: number, cx: number, side = SIDE): Uint8Array {
  const elements = Uint16Array.from({ length: side * side }, (_, i) => {
    const y = cy * side + Math.floor(i / side);
    return y * 64 + cx * side + (i % side);
  });
  return new Uint8Array(elements.buffer);
}

function plainFiles(): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {
    "zarr.json": metadata([LITTLE, { name: "gzip", configuration: { level: 1 } }]),
  };
  for (let y = 0; y < 4; y += 1) for (let x = 0; x < 4; x += 1) files[`c/${y}/${x}`] = gzipSync(chunkBytes(y, x));
  delete files["c/3/3"];
  return files;
}

/** One shard of 16 chunks, the third of them missing, its index at either end. */
function shardFiles(location: "start" | "end"): Record<string, Uint8Array> {
  const indexBytes = 16 * 16 + 4;
  const index = Buffer.alloc(indexBytes - 4, 0xff);
  const parts: Uint8Array[] = [];
  let offset = location === "start" ? indexBytes : 0;
  for (let i = 0; i < 16; i += 1) {
    if (i === 2) continue;
    const chunk = chunkBytes(Math.floor(i / 4), i % 4);
    index.writeBigUInt64LE(BigInt(offset), i * 16);
    index.writeBigUInt64LE(BigInt(chunk.length), i * 16 + 8);
    parts.push(chunk);
    offset += chunk.length;
  }
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32c(index));
  const all = location === "start" ? [index, sum, ...parts] : [...parts, index, sum];
  const sharding = {
    name: "sharding_indexed",
    configuration: {
      chunk_shape: [SIDE, SIDE],
      codecs: [LITTLE],
      index_codecs: [LITTLE, { name: "crc32c" }],
      index_location: location,
    },
  };
  const grid = { name: "regular", configuration: { chunk_shape: SHAPE } };
  return { "zarr.json": metadata([sharding], { chunk_grid: grid }), "c/0/0": Buffer.concat(all) };
}

function numbers(data: Uint8Array): readonly number[] {
  return [...new Uint16Array(new Uint8Array(data).buffer)];
}

describe("a slice of a Zarr array", () => {
  test("reads the chunks that it touches, and nothing for those that are not stored", async () => {
    const files = loggedFiles(plainFiles());
    const reader = await zarrDirectory.array(files);
    expect(reader.metadata.arrays).toMatchObject([
      { name: "", shape: SHAPE, dtype: "<u2", chunks: [16, 16], attributes: { units: "m" } },
    ]);
    const opened = files.bytes();
    const plan = await reader.plan({ slice: "15:17,20" });
    expect(files.bytes()).toBe(opened);
    expect(plan).toMatchObject({ requests: 2, pruned: [{ what: "chunks", total: 16, kept: 2 }] });
    const { data, shape } = await readAll(reader, { slice: "15:17,20" });
    expect([shape, numbers(data)]).toEqual([[2], [15 * 64 + 20, 16 * 64 + 20]]);
    expect(files.bytes() - opened).toBe(plan.bytesNeeded - opened);
    expect(numbers((await readAll(reader, { slice: "63,62:" })).data)).toEqual([7, 7]);
  });

  test("is equal to the same of the whole, with steps and across edges", async () => {
    const reader = await zarrDirectory.array(loggedFiles(plainFiles()));
    const whole = numbers((await readAll(reader, {})).data);
    for (const [y0, y1, ys, x0, x1, xs] of [
      [0, 64, 5, 3, 64, 7],
      [1, 60, 17, 0, 64, 33],
      [47, 49, 1, 47, 50, 1],
    ] as const) {
      const wanted: (number | undefined)[] = [];
      for (let y = y0; y < y1; y += ys) for (let x = x0; x < x1; x += xs) wanted.push(whole[y * 64 + x]);
      expect(numbers((await readAll(reader, { slice: `${y0}:${y1}:${ys},${x0}:${x1}:${xs}` })).data)).toEqual(wanted);
    }
  });

  test.each(["start", "end"] as const)(
    "of a shard with its index at the %s reads the index once and then its chunks",
    async (location) => {
      const files = loggedFiles(shardFiles(location));
      const reader = await zarrDirectory.array(files);
      const { data } = await readAll(reader, { slice: "0:2,30:34" });
      expect(numbers(data)).toEqual([30, 31, 7, 7, 94, 95, 7, 7]);
      const shard = files.opened.get("c/0/0");
      expect(shard?.calls.length).toBe(2);
      expect(shard?.bytes()).toBe(260 + 512);
      const plan = await reader.plan({ slice: "16:18" });
      expect(plan).toMatchObject({ requests: 1, pruned: [{ total: 16, kept: 4 }] });
      expect(plan.ranges.length).toBe(4);
      await readAll(reader, { slice: "16:18" });
      expect(shard?.calls.length).toBe(3);
      expect(shard?.requests()).toBe(3);
    },
  );
});

describe("a hierarchy in a zip archive", () => {
  test("below a directory; chunks that lie side by side are one request", async () => {
    const files = plainFiles();
    const members = Object.entries(files).map(([name, content]) => ({
      name: `data.zarr/${name}`,
      content,
      deflate: name.endsWith("json"),
    }));
    const source = loggedSource(madeZip(members));
    const reader = await zarr.array?.(source);
    if (reader === undefined) throw new Error("no reader");
    const opened = source.calls.length;
    const { data } = await readAll(reader, { slice: "16:32,:32" });
    expect(numbers(data).slice(0, 3)).toEqual([1024, 1025, 1026]);
    expect(source.calls.length - opened).toBe(1);
    expect((await reader.plan({ slice: "16:32,:32" })).requests).toBe(1);
  });

  test("a shard in it is read by parts", async () => {
    const members = Object.entries(shardFiles("end")).map(([name, content]) => ({ name, content }));
    const source = loggedSource(madeZip(members));
    const reader = await zarr.array?.(source);
    if (reader === undefined) throw new Error("no reader");
    const opened = source.bytes();
    expect(numbers((await readAll(reader, { slice: "0,:2" })).data)).toEqual([0, 1]);
    expect(source.bytes() - opened).toBe(30 + 260 + 512);
  });
});

describeFixtures("public Zarr archives", () => {
  test.each(["zarrita/v3/data.zipped_from_within.zarr.zip", "zarrita/v3/data.zipped_from_parent.zarr.zip"])(
    "%s: every array is read",
    async (path) => {
      const reader = await zarr.array?.(loggedSource(fixtureBytes(path)));
      if (reader === undefined) throw new Error("no reader");
      expect(reader.metadata.arrays.length).toBeGreaterThan(20);
      for (const { name, shape } of reader.metadata.arrays) {
        const whole = await readAll(reader, { name });
        expect(whole.shape).toEqual(shape);
      }
    },
  );
});

describe("hostile hierarchies", () => {
  const refusal = async (files: Record<string, Uint8Array>, slice?: string): Promise<unknown> => {
    try {
      return await readAll(await zarrDirectory.array(loggedFiles(files)), slice === undefined ? {} : { slice });
    } catch (error) {
      return error;
    }
  };
  const gzip = { name: "gzip", configuration: {} };

  test.each([
    [
      "a chunk that inflates to more than its shape",
      { "zarr.json": metadata([LITTLE, gzip]), "c/0/0": gzipSync(Buffer.alloc(50_000_000)) },
      "malformed",
      "does not decode",
    ],
    [
      "a chunk that is too short",
      { "zarr.json": metadata([LITTLE]), "c/0/0": new Uint8Array(511) },
      "malformed",
      "511 bytes",
    ],
    [
      "a stored chunk of a megabyte",
      { "zarr.json": metadata([LITTLE]), "c/0/0": new Uint8Array(1e6) },
      "malformed",
      "more than",
    ],
    [
      "a blosc chunk that declares 2 GiB",
      { "zarr.json": metadata([LITTLE, { name: "blosc" }]), "c/0/0": Buffer.alloc(32, 0x7f) },
      "malformed",
      "declares",
    ],
    [
      "an lz4 chunk that declares 2 GiB",
      { "zarr.json": metadata([LITTLE, { name: "lz4" }]), "c/0/0": Buffer.alloc(32, 0x7f) },
      "malformed",
      "declares",
    ],
    [
      "zstd that is none",
      { "zarr.json": metadata([LITTLE, { name: "zstd" }]), "c/0/0": Buffer.alloc(32, 0x7f) },
      "malformed",
      "zstd",
    ],
    ["a shape past 2^53", { "zarr.json": metadata([LITTLE], { shape: [2 ** 40, 2 ** 40] }) }, "malformed", "cannot be"],
    [
      "chunks of nothing",
      { "zarr.json": metadata([LITTLE], { chunk_grid: { name: "regular", configuration: { chunk_shape: [0, 1] } } }) },
      "malformed",
      "cannot be",
    ],
    ["an unknown codec", { "zarr.json": metadata([LITTLE, { name: "magic" }]) }, "unsupported", '"magic"'],
    ["an unknown type", { "zarr.json": metadata([LITTLE], { data_type: "int7" }) }, "unsupported", "int7"],
    ["an unknown grid", { "zarr.json": metadata([LITTLE], { chunk_grid: { name: "odd" } }) }, "unsupported", "odd"],
    [
      "a transposition of no axes",
      { "zarr.json": metadata([{ name: "transpose", configuration: { order: [0, 0] } }, LITTLE]) },
      "malformed",
      "none of the axes",
    ],
    ["no metadata", { "c/0": new Uint8Array(3) }, "malformed", "no Zarr group"],
    [
      "metadata 1000 levels deep",
      { "zarr.json": Buffer.from('{"a":'.repeat(1000) + "1" + "}".repeat(1000)) },
      "malformed",
      "deeper",
    ],
  ] as const)("%s", async (_, files, code, message) => {
    const found = await refusal(files);
    expect(found).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test("a chunk of 2^40 elements is not allocated", async () => {
    const huge = { shape: [2 ** 40], chunk_grid: { name: "regular", configuration: { chunk_shape: [2 ** 40] } } };
    expect(await refusal({ "zarr.json": metadata([LITTLE], huge), "c/0": new Uint8Array(8) }, "0:1")).toMatchObject({
      code: "unsupported",
    });
  });

  test("an array of 10^12 chunks is planned by slice, and refused as a whole", async () => {
    const many = { shape: [1e6, 1e6], chunk_grid: { name: "regular", configuration: { chunk_shape: [1, 1] } } };
    const reader = await zarrDirectory.array(loggedFiles({ "zarr.json": metadata([LITTLE], many) }));
    await expect(reader.plan({})).rejects.toMatchObject({ code: "usage" });
    expect(numbers((await readAll(reader, { slice: "5,:3" })).data)).toEqual([7, 7, 7]);
  });

  test("shards whose index lies, or does not have its checksum", async () => {
    const files = shardFiles("end");
    const shard = files["c/0/0"] ?? new Uint8Array();
    const lying = new Uint8Array(shard);
    lying[shard.length - 260 + 5] = 1;
    expect(await refusal({ ...files, "c/0/0": lying })).toMatchObject({
      code: "malformed",
      message: expect.stringContaining("checksum"),
    });
    expect(await refusal({ ...files, "c/0/0": shard.slice(0, 100) })).toMatchObject({
      code: "malformed",
      message: expect.stringContaining("too short"),
    });
  });

  test("attributes with the bare NaN that Python writes are no obstacle", async () => {
    const text = Buffer.from(metadata([LITTLE]))
      .toString()
      .replace('"units":"m"', '"units":"NaN, m","valid_min":NaN,"valid_max":-Infinity');
    const reader = await zarrDirectory.array(loggedFiles({ "zarr.json": Buffer.from(text) }));
    expect(reader.metadata.arrays[0]?.attributes).toEqual({
      units: "NaN, m",
      valid_min: "NaN",
      valid_max: "-Infinity",
    });
  });

  test("a fill value beyond 2^53 keeps its last digit", async () => {
    const text = Buffer.from(
      metadata([LITTLE], {
        data_type: "int64",
        shape: [1],
        chunk_grid: { name: "regular", configuration: { chunk_shape: [1] } },
      }),
    )
      .toString()
      .replace('"fill_value":7', '"fill_value":-9223372036854775807');
    const found = await readAll(await zarrDirectory.array(loggedFiles({ "zarr.json": Buffer.from(text) })), {});
    expect(new DataView(found.data.buffer, found.data.byteOffset).getBigInt64(0, true)).toBe(-9223372036854775807n);
  });
});

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ArrayReader } from "../../../src/formats/array.ts";
import { safetensors } from "../../../src/formats/safetensors/module.ts";
import { readAll } from "../../support/arrays.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../../support/expected.ts";
import { loggedSource, type LoggedSource } from "../../support/logged-source.ts";

interface ExpectedTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly sha256: string;
}

const open = async (source: LoggedSource): Promise<ArrayReader> => {
  if (safetensors.array === undefined) throw new Error("no reader");
  return safetensors.array(source);
};

/** A file whose header is `json`, with `data` bytes behind it. */
function madeFile(json: string | Uint8Array, data = 0): Uint8Array {
  const header = Buffer.from(json);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return new Uint8Array(Buffer.concat([length, header, Buffer.alloc(data, 5)]));
}

/** 60 tensors of 256 KiB. */
function sixtyTensors(): Uint8Array {
  const bytes = 64 * 1024 * 4;
  const entries = Array.from({ length: 60 }, (_, i) => [
    `model.layers.${i}.mlp.weight`,
    { dtype: "F32", shape: [256, 256], data_offsets: [i * bytes, (i + 1) * bytes] },
  ]);
  const file = madeFile(JSON.stringify(Object.fromEntries(entries)), 60 * bytes);
  for (let i = file.length - 60 * bytes, n = 0; i < file.length; i += 4096, n += 1) file[i] = n & 255;
  return file;
}

describeFixtures("public safetensors files", () => {
  test.each(expectedUnits("safetensors"))("%s", async (path, unit) => {
    const source = loggedSource(fixtureBytes(path));
    if (unit.outcome === "refuse") {
      await expect(open(source)).rejects.toMatchObject({ code: "malformed" });
      await expect(safetensors.info(source)).rejects.toMatchObject({ code: "malformed" });
      return;
    }
    const tensors = Object.entries(unit["tensors"] as Readonly<Record<string, ExpectedTensor>>);
    const reader = await open(source);
    expect(reader.metadata.arrays.map(({ name }) => name).toSorted()).toEqual(tensors.map(([name]) => name).toSorted());
    for (const [name, tensor] of tensors) {
      const { ranges } = await reader.plan({ name });
      expect(ranges.map(({ range }) => range)).toEqual(
        tensor.start === tensor.end ? [] : [{ start: tensor.start, end: tensor.end }],
      );
      const { shape, data } = await readAll(reader, { name });
      expect(shape).toEqual(tensor.shape);
      expect(createHash("sha256").update(data).digest("hex")).toBe(tensor.sha256);
    }
    const { facts } = await safetensors.info(source);
    expect(facts["tensors"]).toBe(tensors.length);
    expect(facts["metadata"]).toEqual(unit["metadata"] ?? {});
  });
});

describe("one tensor of many", () => {
  const file = sixtyTensors();

  test("is read in two round trips, with a hundredth more than its bytes and the header", async () => {
    const source = loggedSource(file);
    const reader = await open(source);
    const name = "model.layers.31.mlp.weight";
    const { data } = await readAll(reader, { name });
    expect(data.length).toBe(256 * 1024);
    expect(source.calls.length).toBe(2);
    expect(source.requests()).toBe(2);
    expect(source.bytes()).toBe(32 * 1024 + data.length);
    const plan = await reader.plan({ name });
    expect(plan.requests).toBe(1);
    expect(plan.ranges.length).toBe(1);
  });

  test("a window of it reads the rows that it touches", async () => {
    const source = loggedSource(file);
    const reader = await open(source);
    const query = { name: "model.layers.3.mlp.weight", slice: "10:20,5" };
    const opened = source.bytes();
    const plan = await reader.plan(query);
    expect(source.bytes()).toBe(opened);
    const { shape, data } = await readAll(reader, query);
    expect(shape).toEqual([10]);
    expect(data.length).toBe(40);
    expect(source.bytes() - opened).toBe(9 * 1024 + 4);
    expect(plan.bytesFetched).toBe(plan.bytesNeeded);
  });

  test("extents are the tensors, in the order of the file, in one series", async () => {
    const source = loggedSource(file);
    const table = await safetensors.extents?.(source);
    expect(table?.count).toBe(60);
    expect(new Set(table?.series)).toEqual(new Set([0]));
    expect(table?.ends.at(-1)).toBe(file.length);
    expect(source.requests()).toBe(1);
  });

  test("a header longer than the caller reads gives no extents", async () => {
    const source = loggedSource(file);
    expect((await safetensors.extents?.(source, { maxBytes: 100 }))?.count).toBe(0);
    expect(source.calls.length).toBe(1);
  });

  test("a name that is not there is refused with the names that are", async () => {
    const reader = await open(loggedSource(file));
    await expect(reader.plan({ name: "x" })).rejects.toThrow(
      /no array "x": there is "model.layers.0.mlp.weight", .* and 40 more/,
    );
    await expect(reader.plan({})).rejects.toMatchObject({ code: "usage" });
  });

  test("a closed reader reads nothing", async () => {
    const reader = await open(loggedSource(file));
    await reader.close();
    await expect(reader.plan({ name: "x" })).rejects.toMatchObject({ code: "closed" });
  });
});

describe("hostile headers", () => {
  const u8 = (shape: unknown, offsets: unknown, dtype = "U8"): string =>
    JSON.stringify({ a: { dtype, shape, data_offsets: offsets } });
  const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
  test.each([
    ["a length of 2^60", new Uint8Array([0, 0, 0, 0, 0, 0, 0, 16, 0x7b, 0x7d]), "the header would have"],
    ["nothing at all", new Uint8Array(3), "shorter than the length"],
    [
      "overlapping tensors",
      madeFile(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
        3,
      ),
      "overlaps",
    ],
    ["a product past 2^53", madeFile(u8([2 ** 30, 2 ** 30, 2 ** 30], [0, 4]), 4), "does not have 4 bytes"],
    ["a negative length", madeFile(u8([-1], [0, 1]), 1), "no list of lengths"],
    ["a broken length", madeFile(u8([1.5], [0, 1]), 1), "no list of lengths"],
    ["offsets the wrong way round", madeFile(u8([0], [1, 0]), 1), "no range"],
    ["an inherited name as a type", madeFile(u8([1], [0, 1], "constructor"), 1), "no type"],
    ["100,000 levels", madeFile(deep), "deeper"],
    ["bytes that are not UTF-8", madeFile(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])), "UTF-8"],
    [
      "a name twice, spelled differently",
      madeFile('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{}}'),
      "twice",
    ],
  ])("%s", async (_, bytes, message) => {
    const refused = open(loggedSource(bytes));
    await expect(refused).rejects.toMatchObject({ code: "malformed" });
    await expect(refused).rejects.toThrow(message);
  });

  test("packed types are listed, and refused by name when read", async () => {
    const reader = await open(loggedSource(madeFile(u8([3, 2], [0, 3], "F4"), 3)));
    expect(reader.metadata.arrays[0]?.dtype).toBe("f4");
    await expect(reader.plan({})).rejects.toMatchObject({ code: "unsupported" });
  });
});

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { gguf } from "../../../src/formats/gguf/module.ts";
import { readAll } from "../../support/arrays.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../../support/expected.ts";
import { loggedSource } from "../../support/logged-source.ts";

interface ExpectedTensor {
  readonly type: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly sha256: string;
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};
const text = (value: string): Buffer => Buffer.concat([u64(BigInt(Buffer.byteLength(value))), Buffer.from(value)]);
const header = (tensors: bigint, values: bigint): Buffer =>
  Buffer.concat([Buffer.from("GGUF"), u32(3), u64(tensors), u64(values)]);

describeFixtures("public GGUF files", () => {
  test.each(expectedUnits("gguf"))("%s", async (path, unit) => {
    const bytes = fixtureBytes(path);
    const source = loggedSource(bytes);
    if (unit.outcome === "refuse") {
      const code = path.includes("version") ? "unsupported" : "malformed";
      await expect(gguf.info(source)).rejects.toMatchObject({ code });
      expect(source.bytes()).toBeLessThanOrEqual(bytes.length);
      return;
    }
    const tensors = Object.entries(unit["tensors"] as Readonly<Record<string, ExpectedTensor>>);
    const { facts } = await gguf.info(source);
    expect(facts["arrays"]).toEqual(
      tensors.map(([name, { type, shape, start, end }]) => ({
        name,
        type,
        dimensions: shape,
        start,
        bytes: end - start,
      })),
    );
    expect(facts["alignment"]).toBe(unit["alignment"]);
    expect(Object.keys(facts["values"] ?? {}).toSorted()).toEqual([...(unit["kv"] as string[])].toSorted());
    const table = await gguf.extents?.(source);
    expect([...(table?.starts ?? [])]).toEqual(tensors.map(([, { start }]) => start));
    expect([...(table?.ends ?? [])]).toEqual(tensors.map(([, { end }]) => end));
    for (const [, { start, end, sha256 }] of tensors) {
      expect(createHash("sha256").update(bytes.subarray(start, end)).digest("hex")).toBe(sha256);
    }
    const reader = await gguf.array?.(source);
    if (reader === undefined) throw new Error("no reader");
    for (const [name, { type, shape, start, end, sha256 }] of tensors) {
      if (/^[QI]+\d_/.test(type)) {
        await expect(reader.plan({ name })).rejects.toMatchObject({ code: "unsupported" });
        continue;
      }
      const whole = await readAll(reader, { name });
      expect(whole.shape).toEqual([...shape].toReversed());
      expect(whole.data.length).toBe(end - start);
      if (!path.includes("big-endian")) expect(createHash("sha256").update(whole.data).digest("hex")).toBe(sha256);
    }
  });
});

describe("a long header", () => {
  test("is read in pieces that grow, and its words are skipped", async () => {
    const words = Array.from({ length: 40_000 }, (_, i) => text(`word ${i}`));
    const list = Buffer.concat([text("tokens"), u32(9), u32(8), u64(BigInt(words.length)), ...words]);
    const tensor = Buffer.concat([text("t"), u32(1), u64(3n), u32(0), u64(0n)]);
    const file = Buffer.concat([header(1n, 1n), list, tensor]);
    const padded = Buffer.alloc(Math.ceil(file.length / 32) * 32 + 12);
    file.copy(padded);
    const source = loggedSource(padded);
    const { facts } = await gguf.info(source);
    expect(facts["values"]).toMatchObject({ tokens: { length: 40_000, first: expect.arrayContaining(["word 0"]) } });
    expect(source.calls.length).toBe(4);
    expect(source.bytes()).toBe(padded.length);
  });
});

describe("a tensor of an unknown type", () => {
  test("is listed, and refused by name when it is read", async () => {
    const tensor = Buffer.concat([text("t"), u32(1), u64(3n), u32(77), u64(0n), Buffer.alloc(64)]);
    const source = loggedSource(Buffer.concat([header(1n, 0n), tensor]));
    expect((await gguf.info(source)).facts["types"]).toEqual({ "type 77": 1 });
    await expect((await gguf.array?.(source))?.plan({ name: "t" })).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("hostile headers", () => {
  const many = (count: number): Buffer =>
    Buffer.concat(Array.from({ length: count }, () => Buffer.concat([u32(9), u64(1n)])));
  test.each([
    ["a count of 2^60", header(1n << 60n, 1n), "more than any file"],
    ["10^9 tensors", header(1_000_000_000n, 0n), "declares"],
    ["a text of 2^50 bytes", Buffer.concat([header(0n, 1n), u64(1n << 50n), Buffer.alloc(64)]), "does not end"],
    [
      "a list of 2^52 words",
      Buffer.concat([header(0n, 1n), text("k"), u32(9), u32(8), u64(1n << 52n), Buffer.alloc(64)]),
      "does not end",
    ],
    [
      "a list of 2^52 numbers",
      Buffer.concat([header(0n, 1n), text("k"), u32(9), u32(4), u64(1n << 52n), Buffer.alloc(64)]),
      "does not end",
    ],
    ["lists in lists", Buffer.concat([header(0n, 1n), text("k"), u32(9), many(50)]), "too deep"],
    ["an unknown type of value", Buffer.concat([header(0n, 1n), text("k"), u32(99), Buffer.alloc(64)]), "type 99"],
    [
      "a tensor past the end",
      Buffer.concat([header(1n, 0n), text("t"), u32(1), u64(1n << 40n), u32(0), u64(0n), Buffer.alloc(64)]),
      "behind the end",
    ],
    [
      "a product past 2^53",
      Buffer.concat([
        header(1n, 0n),
        text("t"),
        u32(2),
        u64(1n << 40n),
        u64(1n << 40n),
        u32(0),
        u64(0n),
        Buffer.alloc(64),
      ]),
      "more elements",
    ],
    [
      "half a block",
      Buffer.concat([header(1n, 0n), text("t"), u32(1), u64(16n), u32(8), u64(0n), Buffer.alloc(64)]),
      "no number of",
    ],
    [
      "4 billion dimensions",
      Buffer.concat([header(1n, 0n), text("t"), u32(0xffffffff), Buffer.alloc(64)]),
      "dimensions",
    ],
  ])("%s", async (_, bytes, message) => {
    await expect(gguf.info(loggedSource(bytes))).rejects.toThrow(message);
  });
});

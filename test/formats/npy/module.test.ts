import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ArrayReader } from "../../../src/formats/array.ts";
import { npyHeader } from "../../../src/formats/npy/encode.ts";
import { npy } from "../../../src/formats/npy/module.ts";
import { readAll } from "../../support/arrays.ts";
import { describeFixtures, expectedUnits, fixtureBytes } from "../../support/expected.ts";
import { loggedSource, type LoggedSource } from "../../support/logged-source.ts";

const open = async (source: LoggedSource): Promise<ArrayReader> => {
  if (npy.array === undefined) throw new Error("no reader");
  return npy.array(source);
};

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** A file with `text` as its header. */
function madeFile(text: string, { data = 0, version = 1 } = {}): Uint8Array {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  return new Uint8Array(Buffer.concat([head, length, Buffer.from(text, "latin1"), Buffer.alloc(data, 1)]));
}

describeFixtures("public .npy files", () => {
  test.each(expectedUnits("npy"))("%s", async (path, unit) => {
    const bytes = fixtureBytes(path);
    const source = loggedSource(bytes);
    if (unit.outcome === "refuse") {
      const code = /pickled/.test(unit.why ?? "") ? "unsupported" : "malformed";
      await expect(open(source)).rejects.toMatchObject({ code });
      return;
    }
    const reader = await open(source);
    const whole = await readAll(reader, {});
    expect(whole.shape).toEqual(unit["shape"]);
    if (typeof unit["sha256"] === "string") expect(sha256(whole.data)).toBe(unit["sha256"]);
    const { ranges } = await reader.plan({});
    const raw = ranges.map(({ range }) => bytes.subarray(range.start, range.end));
    expect(sha256(Buffer.concat(raw))).toBe(unit["rawSha256"]);
    expect((await npy.info(source)).facts).toMatchObject({
      dataOffset: unit["dataOffset"],
      fortranOrder: unit["fortran"],
    });
    const rows = unit["rows"] as
      | { start: number; stop: number; sha256: string; byteRange?: readonly number[] }
      | undefined;
    if (rows === undefined) return;
    const slice = `${rows.start}:${rows.stop}`;
    expect(sha256((await readAll(reader, { slice })).data)).toBe(rows.sha256);
    const part = await reader.plan({ slice });
    if (rows.byteRange !== undefined) {
      const [start, end] = rows.byteRange;
      expect(part.ranges.map(({ range }) => range)).toEqual([{ start, end }]);
    }
  });
});

describe("a slice of a .npy file", () => {
  const shape = [40, 50, 60];
  const data = new Uint8Array(new Uint32Array(40 * 50 * 60).map((_, i) => i).buffer);
  const file = Buffer.concat([npyHeader({ dtype: "<u4", shape }), data]);

  test("moves its rows, and the gaps that are smaller than a page", async () => {
    const source = loggedSource(file);
    const reader = await open(source);
    const opened = source.bytes();
    const { data: found } = await readAll(reader, { slice: "3:6,10:20" });
    expect(new Uint32Array(found.slice().buffer)[0]).toBe((3 * 50 + 10) * 60);
    expect(found.length).toBe(3 * 10 * 60 * 4);
    expect(source.calls.length).toBe(2);
    expect(source.bytes() - opened).toBe(3 * 10 * 60 * 4);
    const plan = await reader.plan({ slice: "3:6,10:20" });
    expect(plan).toMatchObject({ requests: 1, bytesNeeded: 128 + 7200, pruned: [] });
    expect((await readAll(reader, { slice: ":,0,0" })).data.length).toBe(160);
  });

  test("options decide how ranges are merged", async () => {
    const reader = await npy.array?.(loggedSource(file), { merge: (ranges) => ranges });
    const plan = await reader?.plan({ slice: "3:6,10:20" });
    expect(plan).toMatchObject({ requests: 3, bytesFetched: 128 + 7200 });
  });

  test("an empty one reads nothing and yields one empty block", async () => {
    const source = loggedSource(file);
    const reader = await open(source);
    const whole = await readAll(reader, { slice: "5:5" });
    expect(whole).toMatchObject({ shape: [0, 50, 60], blocks: 1 });
    expect(whole.data.length).toBe(0);
    expect(await reader.plan({ slice: "5:5" })).toMatchObject({ requests: 0, ranges: [] });
  });

  test("a long one comes in blocks, of which two are in memory; ending early ends the reading", async () => {
    const rows = 20;
    const row = 4 * 1024 * 1024;
    const source = loggedSource(
      Buffer.concat([npyHeader({ dtype: "|u1", shape: [rows, row] }), Buffer.alloc(rows * row)]),
    );
    const reader = await open(source);
    let blocks = 0;
    for await (const block of reader.scan({})) {
      expect(block.data.length).toBeLessThanOrEqual(32 * 1024 * 1024);
      blocks += 1;
      break;
    }
    expect(blocks).toBe(1);
    expect(source.calls.length).toBe(3);
  });

  test("extents are rows where rows are large", async () => {
    const source = loggedSource(
      Buffer.concat([npyHeader({ dtype: "<f4", shape: [3, 65_536] }), Buffer.alloc(3 * 262_144)]),
    );
    const table = await npy.extents?.(source);
    expect(table?.starts).toEqual(Float64Array.of(128, 128 + 262_144, 128 + 2 * 262_144));
    expect((await npy.extents?.(loggedSource(file)))?.count).toBe(0);
  });
});

describe("types", () => {
  test("fields of a structured type are turned around one by one", async () => {
    const text =
      "{'descr': [('a', '>u2'), ('b', [('c', '>u4', (2,))]), ('d', '|S1')], 'fortran_order': False, 'shape': (1,)}";
    const file = madeFile(text, { version: 2 });
    const data = Buffer.from("0102030405060708090a41", "hex");
    const reader = await open(loggedSource(Buffer.concat([file, data])));
    const { dtype, data: found } = await readAll(reader, {});
    expect(dtype).toBe("|V11");
    expect(Buffer.from(found).toString("hex")).toBe("0201060504030a09080741");
  });

  test.each([
    [">c16", "<c16", 16],
    [">U2", "<U2", 8],
    ["<M8[25s]", "<M8[25s]", 8],
    [">f16", "<f16", 16],
    ["|S7", "|S7", 7],
  ])("%s is given as %s", async (descr, dtype, bytes) => {
    const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (2L,), }`;
    const reader = await open(loggedSource(madeFile(text, { data: 2 * bytes })));
    const whole = await readAll(reader, {});
    expect([whole.dtype, whole.data.length]).toEqual([dtype, 2 * bytes]);
  });
});

describe("hostile headers", () => {
  const header = (descr: string, shape: string): string =>
    `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`;
  test.each([
    ["a product past 2^64", header("'<f8'", "(4294967296, 4294967296)"), "too few"],
    ["a product past 2^53 with a zero-size end", header("'<f8'", "(9007199254740991, 9007199254740991, 2)"), "too few"],
    ["a length past 2^53", header("'<f8'", "(99999999999999999999,)"), "as it must"],
    ["a negative length", header("'<f8'", "(-1,)"), "as it must"],
    ["a call", header("__import__('os').system('id')", "()"), "literal"],
    ["a key twice", "{'descr': '<f4', 'descr': '<f8'}", "literal"],
    ["no key", "{}", "as it must"],
    ["10,000 brackets", header("[".repeat(10_000), "()"), "deeper"],
    ["a type of no fields", header("[]", "(1,)"), "without fields"],
    ["fields times fields", header("[('a', [('b', '<f4', (10000,))], (10000,))]", "(1,)"), "more than"],
    ["an unknown type", header("'<q9'", "(1,)"), "not one that riffle reads"],
    ["an element of 4 GiB", header("'|V4294967296'", "(1,)"), "elements of"],
  ])("%s", async (_, text, message) => {
    await expect(open(loggedSource(madeFile(text, { data: 64 })))).rejects.toThrow(message);
  });

  test("a header length past the end or of 4 GiB reads no more than the head", async () => {
    const file = Buffer.concat([
      Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 255, 255, 255, 255]),
      Buffer.alloc(90),
    ]);
    const source = loggedSource(file);
    await expect(open(source)).rejects.toMatchObject({ code: "malformed" });
    expect(source.bytes()).toBe(file.length);
  });
});

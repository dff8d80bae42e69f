import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ArrayReader } from "../../../src/formats/array.ts";
import { npyHeader } from "../../../src/formats/npy/encode.ts";
import { npz } from "../../../src/formats/npy/npz.ts";
import { readAll } from "../../support/arrays.ts";
import { describeFixtures, fixtureBytes } from "../../support/expected.ts";
import { loggedSource, type LoggedSource } from "../../support/logged-source.ts";
import { madeZip, type MadeMember } from "../../support/zip-file.ts";

const open = async (source: LoggedSource): Promise<ArrayReader> => {
  if (npz.array === undefined) throw new Error("no reader");
  return npz.array(source);
};

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Noise that repeats every 997 bytes: it deflates, but not to nothing. */
function pattern(length: number): Uint8Array {
  return Buffer.alloc(
    length,
    Uint8Array.from({ length: 997 }, (_, i) => (i * 2_654_435_761) >>> 24),
  );
}

function member(name: string, shape: readonly number[], options: Partial<MadeMember> = {}): MadeMember {
  const data = pattern(shape.reduce((product, length) => product * length, 4));
  return { name: `${name}.npy`, content: Buffer.concat([npyHeader({ dtype: "<f4", shape }), data]), ...options };
}

describeFixtures("public .npz files", () => {
  test("npyio/data_float64_corder.npz holds its arrays", async () => {
    const reader = await open(loggedSource(fixtureBytes("npyio/data_float64_corder.npz")));
    expect(reader.metadata.arrays.length).toBeGreaterThan(0);
    for (const { name, shape, dtype } of reader.metadata.arrays) {
      expect(dtype).toBe("<f8");
      const { data } = await readAll(reader, { name });
      expect(data.length).toBe(shape.reduce((product, length) => product * length, 8));
    }
  });

  test.each(["numpy/py2-objarr.npz", "numpy/py3-objarr.npz"])(
    "%s: pickled objects are refused by name",
    async (path) => {
      const reader = await open(loggedSource(fixtureBytes(path)));
      const [first] = reader.metadata.arrays;
      expect(first?.dtype).toMatch(/^\|O/);
      await expect(reader.plan({ name: first?.name ?? "" })).rejects.toMatchObject({ code: "unsupported" });
      await expect(reader.plan({ name: first?.name ?? "" })).rejects.toThrow("pickled");
    },
  );
});

describe("arrays in a zip archive", () => {
  const file = madeZip([
    member("stored", [100, 500]),
    member("deflated", [100, 500], { deflate: true }),
    { name: "readme.txt", content: Buffer.from("hello") },
  ]);

  test("a slice of a stored array is read as that of a file", async () => {
    const source = loggedSource(file);
    const reader = await open(source);
    expect(source.calls.length).toBe(2);
    const opened = source.bytes();
    const { data } = await readAll(reader, { name: "stored", slice: "10:12" });
    expect(sha256(data)).toBe(sha256(pattern(200_000).subarray(20_000, 24_000)));
    expect(source.bytes() - opened).toBe(4000);
  });

  test("a compressed one is read once, whatever the slice", async () => {
    const source = loggedSource(file);
    const reader = await open(source);
    const opened = source.bytes();
    const { data } = await readAll(reader, { name: "deflated", slice: "-2:,3:7" });
    const all = pattern(200_000);
    const rows = [98, 99].map((row) => all.subarray(row * 2000 + 12, row * 2000 + 28));
    expect(sha256(data)).toBe(sha256(Buffer.concat(rows)));
    const plan = await reader.plan({ name: "deflated", slice: "-2:" });
    expect(source.bytes() - opened).toBe(plan.ranges.reduce((sum, { range }) => sum + range.end - range.start, 0));
    expect(sha256((await readAll(reader, { name: "deflated" })).data)).toBe(sha256(all));
  });

  test("info tells of both and counts the rest", async () => {
    const info = await npz.info(loggedSource(file));
    expect(info.facts["otherMembers"]).toBe(1);
    expect(info.facts["arrays"]).toMatchObject([{ name: "stored", shape: [100, 500] }, { name: "deflated" }]);
    expect(info.notes).toEqual(["compressed arrays can only be read from their beginning on"]);
  });

  test("a large compressed array comes in blocks, inflated once", async () => {
    const rows = 40;
    const source = loggedSource(madeZip([member("a", [rows, 524_288], { deflate: true })]));
    const reader = await open(source);
    const opened = source.bytes();
    let sum = 0;
    let blocks = 0;
    for await (const { data } of reader.scan({})) {
      sum += data.length;
      blocks += 1;
    }
    expect([sum, blocks > 2]).toEqual([rows * 524_288 * 4, true]);
    const [first] = (await reader.plan({})).ranges;
    expect(source.bytes() - opened).toBe((first?.range.end ?? 0) - (first?.range.start ?? 0));
  });

  test("Fortran order is turned around, out of compressed content too", async () => {
    const header = Buffer.from(npyHeader({ dtype: "|u1", shape: [3, 5] }));
    header.write("True ", header.indexOf("False"));
    const content = Buffer.concat([header, Buffer.from(Array.from({ length: 15 }, (_, i) => i))]);
    const reader = await open(loggedSource(madeZip([{ name: "f.npy", content, deflate: true }])));
    expect([...(await readAll(reader, { slice: "1:" })).data]).toEqual([1, 4, 7, 10, 13, 2, 5, 8, 11, 14]);
  });
});

describe("hostile archives", () => {
  const refusal = async (made: readonly MadeMember[], slice?: string): Promise<unknown> => {
    const source = loggedSource(madeZip(made));
    try {
      await readAll(await open(source), { name: "a", ...(slice !== undefined && { slice }) });
      return undefined;
    } catch (error) {
      return error;
    }
  };

  test("an array that inflates past its declared size", async () => {
    const made = [member("a", [1000], { deflate: true, size: 128 + 2000 })];
    expect(await refusal(made)).toMatchObject({ code: "malformed", message: expect.stringContaining("too few") });
  });

  test("content that goes on behind the array it declares", async () => {
    const { content } = member("a", [1000]);
    const long = Buffer.concat([content, Buffer.alloc(5_000_000)]);
    const made = [{ name: "a.npy", content: long, deflate: true, size: content.length }];
    expect(await refusal(made)).toMatchObject({
      code: "malformed",
      message: expect.stringContaining("more than it declares"),
    });
  });

  test("a checksum that does not hold", async () => {
    const made = [member("a", [1000], { deflate: true, crc: 1 })];
    expect(await refusal(made)).toMatchObject({ code: "malformed", message: expect.stringContaining("checksum") });
  });

  test("a size that so few bytes cannot inflate to", async () => {
    const content = npyHeader({ dtype: "|u1", shape: [1e9] });
    const made = [{ name: "a.npy", content, deflate: true, size: 1e9 + 128 }];
    expect(await refusal(made)).toMatchObject({
      code: "malformed",
      message: expect.stringContaining("can inflate to"),
    });
  });

  test("a stream that is cut short", async () => {
    const made = [member("a", [1000], { deflate: true, size: 128 + 8000 })];
    const content = Buffer.concat([npyHeader({ dtype: "<f4", shape: [2000] }), pattern(4000)]);
    expect(await refusal([{ ...made[0], name: "a.npy", content, deflate: true, size: 128 + 8000 }])).toMatchObject({
      code: "malformed",
    });
  });
});

import { describe, expect, test } from "vitest";
import { memorySource, type RangeSource } from "../../../src/bytes/source.ts";
import { RiffleError } from "../../../src/errors.ts";
import type { ArrayReader } from "../../../src/formats/array.ts";
import type { FormatOptions } from "../../../src/formats/format.ts";
import { hdf5 } from "../../../src/formats/hdf5/module.ts";
import { hdf5Worker } from "../../../src/formats/hdf5/worker-client.ts";
import { readAll } from "../../support/arrays.ts";
import { describeFixtures, fixtureBytes } from "../../support/expected.ts";
import { loggedSource } from "../../support/logged-source.ts";

const SEED = 20_260_102;

const open = async (source: RangeSource, options: FormatOptions = {}): Promise<ArrayReader> => {
  if (hdf5.array === undefined) throw new Error("no reader");
  return hdf5.array(source, options);
};

describeFixtures("requests for HDF5", () => {
  test("opening takes blocks of 64 KiB, chunks of a slice come in one call", async () => {
    const bytes = fixtureBytes("pyfive/compressed_v1.hdf5");
    const source = loggedSource(bytes);
    await using reader = await open(source);
    expect(source.calls.length).toBe(1);
    expect(source.bytes()).toBe(Math.min(bytes.length, 65_536));
    const plan = await reader.plan({ slice: "70000:200000:7" });
    expect(plan.pruned).toEqual([{ what: "chunks", total: 13, kept: 3 }]);
    expect(plan.requests).toBe(1);
    const opened = source.calls.length;
    const part = await readAll(reader, { slice: "70000:200000:7" });
    expect(part.shape).toEqual([18_572]);
    expect(source.calls.slice(opened)).toEqual([
      [{ start: plan.ranges[0]?.range.start, end: plan.ranges.at(-1)?.range.end }],
    ]);
    const whole = await readAll(reader, {});
    const view = new DataView(whole.data.buffer, whole.data.byteOffset);
    const some = new DataView(part.data.buffer, part.data.byteOffset);
    for (const i of [0, 1, 9000, 18_571]) {
      expect(some.getFloat32(i * 4, true)).toBe(view.getFloat32((70_000 + i * 7) * 4, true));
    }
  });

  test("elements in one piece are read by their own range, past the library", async () => {
    const source = loggedSource(fixtureBytes("gdal/gdrivers/data/hdf5/groups.h5"));
    await using reader = await open(source);
    const opened = source.bytes();
    const { shape, data } = await readAll(reader, { name: "/MyGroup/Group_A/dset2", slice: "1,2:5" });
    expect([shape, data.length]).toEqual([[3], 12]);
    expect(source.bytes() - opened).toBe(12);
  });

  test("a name that is not there, and a type that cannot be read", async () => {
    await using reader = await open(memorySource("m", fixtureBytes("pyfive/references.hdf5")));
    await expect(reader.plan({ name: "x" })).rejects.toMatchObject({ code: "usage" });
    await expect(reader.plan({ name: "ref_dataset" })).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("a reference"),
    });
  });
});

describeFixtures("trouble with HDF5", () => {
  const wholeFile = (): Uint8Array => fixtureBytes("pyfive/compressed_v1.hdf5");

  test("what the source rejects with is what the reader rejects with, and it can be used again", async () => {
    const plain = memorySource("m", wholeFile());
    let isDown = true;
    const down = async (): Promise<never> => {
      throw new RiffleError("unreachable", "no route");
    };
    const source: RangeSource = {
      ...plain,
      read: (range, options) => (isDown ? down() : plain.read(range, options)),
      readMany: (ranges, options) => (isDown ? down() : plain.readMany(ranges, options)),
    };
    await expect(open(source)).rejects.toMatchObject({ code: "unreachable", message: "no route" });
    isDown = false;
    await using reader = await open(source);
    isDown = true;
    await expect(readAll(reader, {})).rejects.toMatchObject({ code: "unreachable" });
    isDown = false;
    expect((await readAll(reader, {})).shape).toEqual([816_852]);
  });

  test("a library that does not answer is ended, and a new one answers", async () => {
    const impatient = hdf5Worker(memorySource("m", wholeFile()), { maxSilenceMs: 1 });
    await expect(impatient.run({ kind: "open" }, {})).rejects.toMatchObject({
      code: "malformed",
      message: expect.stringContaining("did not answer"),
    });
    await impatient.close();
    const patient = hdf5Worker(memorySource("m", wholeFile()));
    expect((await patient.run({ kind: "open" }, {})).datasets.length).toBe(1);
    await patient.close();
  });

  test("an aborted read ends, though the source never answers", async () => {
    const plain = memorySource("m", wholeFile());
    const aborting = new AbortController();
    const source: RangeSource = {
      ...plain,
      read: () => {
        aborting.abort();
        return new Promise<never>(() => undefined);
      },
    };
    await expect(open(source, { signal: aborting.signal })).rejects.toMatchObject({ code: "aborted" });
  });

  test.each([
    ["pyfive/compressed_v1.hdf5", "temperature", 5000],
    ["pyfive/fletcher32.hdf5", undefined, undefined],
  ])("a damaged chunk of %s is an error, never zeros", async (path, name, place) => {
    const broken = fixtureBytes(path).slice();
    await using sound = await open(memorySource("m", broken));
    const named = name ?? sound.metadata.arrays[0]?.name ?? "";
    const [first] = (await sound.plan({ name: named })).ranges;
    const at = place ?? (first?.range.start ?? 0) + 3;
    for (let i = 0; i < 40; i += 1) broken[at + i] = (broken[at + i] ?? 0) ^ 0x55;
    await using reader = await open(memorySource("m", broken));
    await expect(readAll(reader, { name: named })).rejects.toMatchObject({ code: "malformed" });
  });

  test(`bytes that are changed at random give an error or an array, and the process lives (seed ${SEED})`, async () => {
    const bytes = wholeFile();
    let state = SEED;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 10; round += 1) {
      const broken = bytes.slice(0, round % 3 === 2 ? random(bytes.length) : bytes.length);
      for (let i = 0; i < 20; i += 1) broken[random(round % 2 === 0 ? 2900 : broken.length)] = random(256);
      const source = loggedSource(broken);
      try {
        await using reader = await open(source);
        for (const { name } of reader.metadata.arrays) await readAll(reader, { name });
      } catch (error) {
        expect(error).toMatchObject({ name: "RiffleError", code: expect.stringMatching(/malformed|unsupported/) });
      }
    }
  }, 120_000);
});

describe("what is no HDF5", () => {
  test.each([0, 7, 5000])("%d zeros are refused", async (length) => {
    await expect(open(memorySource("m", new Uint8Array(length)))).rejects.toMatchObject({ code: "malformed" });
  });
});

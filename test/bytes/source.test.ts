import { expect, test } from "vitest";
import { memorySource, sliceSource } from "../../src/bytes/source.ts";

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);

test("memory source: exact lengths, cut at the size, bytes that the caller may keep", async () => {
  const source = memorySource("m", bytes.slice());
  const read = await source.read({ start: 90, end: 200 });
  expect([...read]).toEqual([...bytes.subarray(90)]);
  read.fill(255);
  expect((await source.read({ start: 90, end: 91 }))[0]).toBe(90);
  expect(
    await source.readMany([
      { start: 5, end: 6 },
      { start: 0, end: 2 },
    ]),
  ).toEqual([bytes.slice(5, 6), bytes.slice(0, 2)]);
});

test.each([
  [-1, 5],
  [5, 4],
  [0.5, 2],
  [0, Number.POSITIVE_INFINITY],
  [Number.NaN, 1],
])("memory source refuses the range [%s, %s)", async (start, end) => {
  await expect(memorySource("m", bytes).read({ start, end })).rejects.toMatchObject({ code: "usage" });
});

test("an aborted signal rejects", async () => {
  await expect(memorySource("m", bytes).read({ start: 0, end: 1 }, { signal: AbortSignal.abort() })).rejects.toThrow();
});

test("a slice has its own coordinates and cannot be left", async () => {
  const slice = sliceSource(memorySource("m", bytes), { start: 10, end: 20 });
  expect(slice.size).toBe(10);
  expect([...(await slice.read({ start: 8, end: 50 }))]).toEqual([18, 19]);
  expect((await slice.read({ start: 50, end: 60 })).length).toBe(0);
  expect((await slice.readMany([{ start: 0, end: 1 }])).map((b) => [...b])).toEqual([[10]]);
  await expect(async () => slice.read({ start: -5, end: 3 })).rejects.toMatchObject({ code: "usage" });
});

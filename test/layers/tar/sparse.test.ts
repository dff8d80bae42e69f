import { expect, test } from "vitest";
import { checkedParts, leadingMap } from "../../../src/layers/tar/sparse.ts";

test.each<[string, readonly number[], number, number, unknown]>([
  [
    "sound",
    [0, 5, 10, 5],
    20,
    10,
    [
      { offset: 0, bytes: 5 },
      { offset: 10, bytes: 5 },
    ],
  ],
  ["empty", [], 20, 0, []],
  ["overlapping", [0, 5, 4, 5], 20, 10, undefined],
  ["backwards", [10, 5, 0, 5], 20, 10, undefined],
  ["past the size", [16, 5], 20, 5, undefined],
  ["of other stored bytes", [0, 5], 20, 6, undefined],
  ["of an odd count", [0, 5, 6], 20, 5, undefined],
  ["of no number", [Number.NaN, 5], 20, 5, undefined],
])("a map that is %s", (_, numbers, realSize, storedBytes, expected) => {
  expect(checkedParts(numbers, { realSize, storedBytes })).toEqual(expected);
});

test("a leading map waits for its lines, and is bounded", () => {
  expect(leadingMap(Buffer.from("2\n0\n5\n"))).toBeUndefined();
  expect(leadingMap(Buffer.from("1\n0\n5\n\0\0"))).toEqual({ numbers: [0, 5], bytes: 6 });
  expect(leadingMap(Buffer.from("99999999\n"))?.numbers).toEqual([Number.NaN]);
});

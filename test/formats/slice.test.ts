import { describe, expect, test } from "vitest";
import { parseSlice, slicedShape } from "../../src/formats/slice.ts";

const shapeOf = (text: string | undefined, shape: readonly number[]): readonly number[] =>
  slicedShape(parseSlice(text, { shape }));

describe("slices as NumPy writes them", () => {
  test.each([
    [undefined, [4, 5], [4, 5]],
    ["", [4, 5], [4, 5]],
    ["", [], []],
    ["...", [], []],
    ["0:2", [4, 5], [2, 5]],
    ["0:10,:,5", [20, 3, 6], [10, 3]],
    ["[1, ::2]", [4, 5], [3]],
    ["...,0", [4, 5, 6], [4, 5]],
    ["0,...,1:3", [4, 5, 6], [5, 2]],
    ["-1", [4, 5], [5]],
    ["-3:-1", [10], [2]],
    ["5:2", [10], [0]],
    ["8:100", [10], [2]],
    ["-100:3", [10], [3]],
    ["::100", [10], [1]],
    ["1::3,", [10], [3]],
    [":", [0], [0]],
  ])("%j of %j has shape %j", (text, shape, result) => {
    expect(shapeOf(text, shape)).toEqual(result);
  });

  test("an index is resolved from the end", () => {
    expect(parseSlice("-2,1:-1:2", { shape: [5, 9] })).toEqual([
      { kind: "index", at: 3 },
      { kind: "range", start: 1, end: 8, step: 2 },
    ]);
  });

  test.each([
    ["4", [4], "index 4 of axis 0, which has 4 elements"],
    [":,-6", [4, 5], "index -6 of axis 1, which has 5 elements"],
    ["0,0,0", [4, 5], "has 3 axes, the array has 2"],
    ["...,...", [4], "more than one ellipsis"],
    ["1:2:0", [4], "step 0 on axis 0"],
    [":,::-1", [4, 5], "step -1 on axis 1"],
    ["a", [4], 'has "a"'],
    ["1:2:3:4", [4], 'has "1:2:3:4"'],
    ["1,,2", [4, 4, 4], "an axis without text"],
    ["None", [4], 'has "None"'],
    ["1.5", [4], 'has "1.5"'],
    ["999999999999999999999", [4], "axis 0, which has 4"],
  ])("%j of %j is refused, naming axis and shape", (text, shape, message) => {
    const refused = (): unknown => parseSlice(text, { name: "x", shape });
    expect(refused).toThrow(message);
    expect(refused).toThrow(`slice "${text}" of x`);
    expect(refused).toThrow(`(shape [${shape.join(", ")}])`);
  });
});

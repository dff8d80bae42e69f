import { describe, expect, test } from "vitest";
import {
  parseBands,
  parseBox,
  parseLimit,
  parseNames,
  parsePixelSize,
  parseTile,
  parseWindow,
} from "../../../src/cli/query/words.ts";

describe("names", () => {
  test.each([
    ["a", ["a"]],
    ["a,b.c", ["a", "b.c"]],
    [" a , b ", ["a", "b"]],
    ['"a,b",c', ["a,b", "c"]],
    ['"say ""hi""","x"', ['say "hi"', "x"]],
    ["größe,数", ["größe", "数"]],
  ])("%s", (text, names) => expect(parseNames(text)).toEqual(names));

  test.each(["", ",", "a,", ",a", "a,,b", '"a', '"a"b', 'a"b"', '""'])("not names: %j", (text) =>
    expect(() => parseNames(text)).toThrow(/^not a list of names: /),
  );
});

describe("numbers", () => {
  test("what they mean", () => {
    expect(parseBox("-1.5,2,3e1,4")).toEqual({ west: -1.5, south: 2, east: 30, north: 4 });
    expect(parseBox("170,-10,-170,10")).toEqual({ west: 170, south: -10, east: -170, north: 10 });
    expect(parseWindow("0,-5,10,20")).toEqual({ x: 0, y: -5, width: 10, height: 20 });
    expect(parsePixelSize("64,32")).toEqual({ width: 64, height: 32 });
    expect(parseBands("3,2,1")).toEqual([3, 2, 1]);
    expect(parseTile("3/4/2")).toEqual({ z: 3, x: 4, y: 2 });
    expect(parseLimit("0")).toBe(0);
  });

  test.each([
    [parseBox, "a box", ["", "1,2,3", "1,2,3,4,5", "1,,3,4", "1,5,3,4", "1,2,NaN,4", "1,2,Infinity,4", "a,b,c,d"]],
    [parseWindow, "a window", ["0,0,0,5", "0,0,5,-1", "0.5,0,1,1", "0,0,1", "0,0,1e300,1", "0,0,,1"]],
    [parsePixelSize, "a size", ["0,1", "1", "1,2,3", "-1,1", "1.5,1"]],
    [parseBands, "a list of bands", ["", "0", "1,,2", "-1", "1.5", "a"]],
    [parseTile, "a tile", ["1/2", "1/2/3/4", "-1/0/0", "a/b/c", "100/0/0"]],
    [parseLimit, "a number of rows", ["", "-1", "1.5", "1e3", "99999999999999999"]],
  ] as const)("%o refuses, saying what is wanted", (parse, what, texts) => {
    for (const text of texts) expect(() => parse(text)).toThrow(`not ${what}: "${text}"`);
  });
});

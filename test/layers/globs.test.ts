import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { selectsFile, startSelection } from "../../src/layers/globs.ts";
import { compileName, matchName } from "../../src/layers/name-pattern.ts";

const matches = (pattern: string, name: string): boolean => matchName(compileName(pattern), name);
const includes = (pattern: string, path: string): boolean => selectsFile(startSelection({ include: [pattern] }), path);

test.each([
  ["*", "", true],
  ["*", ".hidden", true],
  ["a*", "a", true],
  ["*.tif", "x.tif", true],
  ["*.tif", "x.TIF", false],
  ["a*b*c", "aXbYbZc", true],
  ["a*b*c", "aXcYb", false],
  ["?", "é", true],
  ["?", "😀", true],
  ["??", "😀", false],
  ["*😀", "😀😀", true],
  ["[a-c]x", "bx", true],
  ["[!a-c]x", "bx", false],
  ["[^a-c]x", "dx", true],
  ["[]a]", "]", true],
  ["[a-]", "-", true],
  ["[a", "[a", true],
  ["[é-ü]", "ö", true],
  ["\\*", "*", true],
  ["\\*", "a", false],
  ["[\\]]", "]", true],
  ["a\\", "a\\", true],
  ["{a,b}", "{a,b}", true],
  ["a.c", "abc", false],
])("name pattern %j on %j: %s", (pattern, name, expected) => {
  expect(matches(pattern, name)).toBe(expected);
});

test("a name pattern says what the plain definition says", () => {
  const naive = (p: string, s: string): boolean => {
    if (p === "") return s === "";
    if (p[0] === "*") return naive(p.slice(1), s) || (s !== "" && naive(p, s.slice(1)));
    return s !== "" && (p[0] === "?" || p[0] === s[0]) && naive(p.slice(1), s.slice(1));
  };
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 8 });
  const name = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 10 });
  fc.assert(
    fc.property(pattern, name, (p, s) => {
      expect(matches(p, s)).toBe(naive(p, s));
    }),
    { numRuns: 3000 },
  );
});

describe("paths", () => {
  test.each([
    ["*.tif", "a/b/c.tif", true],
    ["/*.tif", "c.tif", true],
    ["/*.tif", "a/c.tif", false],
    ["./*.tif", "c.tif", true],
    ["a/*.tif", "a/c.tif", true],
    ["a/*.tif", "x/a/c.tif", false],
    ["a/*.tif", "a/b/c.tif", false],
    ["**/a/*.tif", "x/y/a/c.tif", true],
    ["**/a/*.tif", "a/c.tif", true],
    ["a/**/c", "a/c", true],
    ["a/**/c", "a/x/y/c", true],
    ["a/**/c", "a/x/y/d", false],
    ["a/**", "a/b/c", true],
    ["a/**", "a", false],
    ["**", "a", true],
    ["**/**/c", "c", true],
    ["a", "a/b/c", true],
    ["a", "x/a/b", true],
    ["a/", "a/b", true],
    ["a/", "a", false],
    ["a/b/", "a/b/c", true],
    ["a**b", "aXb", true],
    ["**/x/**/y", "x/a/x/b/y", true],
  ])("include %j on %j: %s", (pattern, path, expected) => {
    expect(includes(pattern, path)).toBe(expected);
  });

  test("exclude wins over include, at every depth", () => {
    const start = startSelection({ include: ["*.tif", "keep/"], exclude: ["old", "**/b*.tif"] });
    const selected = (path: string): boolean => selectsFile(start, path);
    expect(selected("a.tif")).toBe(true);
    expect(selected("x/old/a.tif")).toBe(false);
    expect(selected("x/b1.tif")).toBe(false);
    expect(selected("keep/any/thing")).toBe(true);
    expect(selected("keep/old/thing")).toBe(false);
    expect(selected("a.png")).toBe(false);
  });

  test("without includes all is included", () => {
    expect(selectsFile(startSelection({}), "a/b")).toBe(true);
    expect(selectsFile(startSelection({ exclude: ["b"] }), "a/b")).toBe(false);
    expect(selectsFile(startSelection({ exclude: ["b"] }), "a/c")).toBe(true);
  });

  test("patterns that match nothing are refused", () => {
    for (const pattern of ["", "/", "./", "../a", "a/../b", "x".repeat(5000)]) {
      expect(() => startSelection({ include: [pattern] })).toThrow(expect.objectContaining({ code: "usage" }) as Error);
    }
  });

  test("patterns made to backtrack end", () => {
    expect(matches(`${"*a".repeat(100)}b`, "a".repeat(4000))).toBe(false);
    expect(includes(`${"**/a/".repeat(200)}b`, `${"a/".repeat(1000)}c`)).toBe(false);
  });
});

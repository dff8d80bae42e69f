import fc from "fast-check";
import { expect, test } from "vitest";
import { isBelow, treePath } from "../../src/cli/tree-path.ts";

test.each([
  ["", ""],
  ["/", ""],
  [".", ""],
  ["./a//b/", "a/b"],
  ["a/../b", "b"],
  ["../../a", "a"],
  ["a/./b/..", "a"],
])("%j is %j in the tree", (typed, path) => expect(treePath(typed)).toBe(path));

test("a path never leaves the tree, and cleaning it twice changes nothing", () => {
  const text = fc.array(fc.constantFrom("a", "b c", "..", ".", "", "...", "~")).map((steps) => steps.join("/"));
  fc.assert(
    fc.property(text, (typed) => {
      const path = treePath(typed);
      expect(path.split("/")).not.toContain("..");
      expect(path.startsWith("/")).toBe(false);
      expect(treePath(path)).toBe(path);
    }),
  );
});

test.each([
  ["a/b", "a", "child"],
  ["a/b/c", "a", "deeper"],
  ["ab", "a", "no"],
  ["a", "a", "no"],
  ["a", "", "child"],
  ["a/b", "", "deeper"],
])("%s below %j: %s", (path, directory, answer) => expect(isBelow(path, directory)).toBe(answer));

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NONE, S_IFDIR, S_IFLNK, S_IFREG } from "../../src/layers/tree.ts";
import { buildTree } from "../../src/layers/tree-builder.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import { bytes, dump, model } from "./tree-model.ts";

describe("a table of a few paths", () => {
  const tree = openTree(
    buildTree(
      [
        { path: "b/c.txt", kind: "file", size: 7, source: 1, offset: 512, mtime: 12.5 },
        { path: "b/Z", kind: "symlink", target: "../é" },
        { path: "a", kind: "directory", mode: 0o700, uid: 5, gid: 6 },
        { path: "é", kind: "file", mode: 0o4755, group: 1, source: 0, size: 3 },
        { path: "b/link", kind: "file", mode: 0o4755, group: 1, source: 0, size: 3 },
      ],
      { sources: [[], [{ name: "user.a", value: bytes("1") }, { name: "user.live" }]], mtime: 9 },
    ),
  );
  const at = (...steps: string[]): number => steps.reduce((row, step) => tree.lookup(row, bytes(step)), tree.root);

  test("children are consecutive and sorted by bytes", () => {
    const names = (row: number): string[] =>
      Array.from({ length: tree.childCount(row) }, (_, i) =>
        Buffer.from(tree.name(tree.firstChild(row) + i)).toString(),
      );
    expect(names(0)).toEqual(["a", "b", "é"]);
    expect(names(at("b"))).toEqual(["Z", "c.txt", "link"]);
    expect(tree.childCount(at("a"))).toBe(0);
    expect(tree.firstChild(at("é"))).toBe(NONE);
    expect(tree.childCount(at("é"))).toBe(0);
  });

  test("attributes are those of the entries, defaults those of the mounting user", () => {
    const file = at("b", "c.txt");
    expect([tree.mode(file), tree.size(file), tree.source(file), tree.offset(file), tree.mtime(file)]).toEqual([
      S_IFREG | 0o444,
      7,
      1,
      512,
      12.5,
    ]);
    expect([tree.uid(file), tree.gid(file)]).toEqual([NONE, NONE]);
    expect([tree.mode(at("a")), tree.uid(at("a")), tree.gid(at("a"))]).toEqual([S_IFDIR | 0o700, 5, 6]);
    expect([tree.mode(at("b")), tree.mtime(at("b"))]).toEqual([S_IFDIR | 0o555, 9]);
    expect(tree.parent(file)).toBe(at("b"));
    expect(tree.parent(0)).toBe(0);
  });

  test("a link's size is that of its text", () => {
    const link = at("b", "Z");
    expect([tree.mode(link), tree.size(link)]).toEqual([S_IFLNK | 0o777, 5]);
    expect(tree.target(link)).toEqual(bytes("../é"));
    expect(tree.target(at("a"))).toBeUndefined();
  });

  test("hard links share an inode, directories count their subdirectories", () => {
    expect(tree.link(at("b", "link"))).toBe(at("é"));
    expect(tree.link(at("é"))).toBe(at("é"));
    expect([tree.nlink(at("é")), tree.nlink(at("b", "link"))]).toEqual([2, 2]);
    expect([tree.nlink(0), tree.nlink(at("a"))]).toEqual([4, 2]);
  });

  test("lookups of what is absent, empty or below a file find nothing", () => {
    for (const name of ["", "A", "aa", "zz", "..", "."]) expect(tree.lookup(0, bytes(name))).toBe(NONE);
    expect(tree.lookup(at("é"), bytes("é"))).toBe(NONE);
    expect(tree.lookup(NONE, bytes("a"))).toBe(NONE);
    expect(tree.lookupIn(0, bytes("xxbyy"), 2, 3)).toBe(at("b"));
  });

  test("extended attributes belong to the source; live ones are listed without a value", () => {
    expect(Buffer.from(tree.xattrNames(at("b", "c.txt"))).toString()).toBe("user.a\0user.live\0");
    expect(tree.xattr(at("b", "c.txt"), "user.a")).toEqual(bytes("1"));
    expect(tree.xattr(at("b", "c.txt"), "user.live")).toBeUndefined();
    expect(tree.xattrNames(at("é"))).toHaveLength(0);
    expect(tree.xattrNames(at("b"))).toHaveLength(0);
  });
});

const component = fc.oneof(
  fc.constantFrom("a", "b", "aa", "ab", "é", "~", "\u{10ffff}", "x".repeat(255)),
  fc.string({ unit: "binary", minLength: 1, maxLength: 3 }).filter((s) => !/[/\0]/.test(s) && s !== "." && s !== ".."),
);
const entry = fc.record({
  path: fc.array(component, { minLength: 1, maxLength: 4 }).map((steps) => steps.join("/")),
  kind: fc.constantFrom("file" as const, "directory" as const, "symlink" as const),
  mode: fc.nat(0o7777),
  size: fc.nat(),
  mtime: fc.integer(),
  uid: fc.nat(),
  target: fc.string(),
  group: fc.constantFrom(1, 2, NONE, NONE),
}) satisfies fc.Arbitrary<TreeEntry>;

test("any tree reads as a naive one does", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 60 }), (entries) => {
      const expected = model(entries);
      if (expected === undefined) expect(() => buildTree(entries)).toThrow(/both a file and a directory/);
      else expect(dump(openTree(buildTree(entries)))).toEqual(expected);
    }),
    { numRuns: 400 },
  );
});

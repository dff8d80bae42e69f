import { describe, expect, test } from "vitest";
import { NONE, ROW_HIDDEN, type TreeTable } from "../../src/layers/tree.ts";
import { emptyAttributes, inodeOf, readAttributes, rowOfInode } from "../../src/layers/tree-attributes.ts";
import { buildTree } from "../../src/layers/tree-builder.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";
import { filterTree, type TreeFilter } from "../../src/layers/tree-filter.ts";
import { listable, pathOf, resolvePath, treeTotals, walk } from "../../src/layers/tree-paths.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import { bytes } from "./tree-model.ts";

const file = (path: string, more: Partial<TreeEntry> = {}): TreeEntry => ({ path, kind: "file", size: 10, ...more });
const ENTRIES: readonly TreeEntry[] = [
  { path: ".oci", kind: "directory", flags: ROW_HIDDEN },
  file(".oci/stats.json"),
  file(".oci/layers/x.tif"),
  file("a/one.tif"),
  file("a/one.txt"),
  file("a/deep/two.tif", { size: 100 }),
  file("b/three.txt", { group: 1 }),
  file("c.tif", { group: 1 }),
  { path: "empty", kind: "directory" },
];
const whole = buildTree(ENTRIES);
const seen = (table: TreeTable): string[] => Array.from(walk(table), (row) => pathOf(table, row));
const view = (filter: TreeFilter): TreeTable => openTree(filterTree(whole, filter));
const names = (table: TreeTable, row: number): string[] =>
  Array.from(listable(table, row), (child) => Buffer.from(table.name(child)).toString());

test("a walk shows directories before what is in them, in byte order, and no .oci", () => {
  const all = ["a", "a/deep", "a/deep/two.tif", "a/one.tif", "a/one.txt", "b", "b/three.txt", "c.tif", "empty"];
  expect(seen(openTree(whole))).toEqual(all);
  expect(names(openTree(whole), 0)).toEqual(["a", "b", "c.tif", "empty"]);
  expect(openTree(whole).nlink(0)).toBe(5);
});

test("totals count each inode once and nothing hidden or filtered", () => {
  expect(treeTotals(openTree(whole))).toEqual({ files: 5, directories: 4, size: 130 });
  expect(treeTotals(view({ include: ["*.txt"] }))).toEqual({ files: 2, directories: 2, size: 20 });
});

describe("include and exclude", () => {
  test("directories without a file left go when there are includes, and only then", () => {
    expect(seen(view({ include: ["*.txt"] }))).toEqual(["a", "a/one.txt", "b", "b/three.txt"]);
    expect(seen(view({ exclude: ["*.txt", "deep"] }))).toEqual(["a", "a/one.tif", "b", "c.tif", "empty"]);
    expect(seen(view({ include: ["a", "empty"], exclude: ["*.txt"] }))).toEqual([
      "a",
      "a/deep",
      "a/deep/two.tif",
      "a/one.tif",
    ]);
    expect(seen(view({ include: ["nothing"] }))).toEqual([]);
  });

  test("what is filtered is not found by name, and inode numbers stay", () => {
    const table = view({ include: ["c.tif"] });
    expect(table.lookup(0, bytes("a"))).toBe(NONE);
    expect(resolvePath(table, "b/three.txt")).toBeUndefined();
    const before = openTree(whole);
    for (const path of ["c.tif", ".oci/stats.json"]) {
      expect(inodeOf(table, resolvePath(table, path) ?? NONE)).toBe(inodeOf(before, resolvePath(before, path) ?? NONE));
    }
    expect(table.nlink(0)).toBe(2);
  });

  test("a hard link whose first name is filtered keeps its inode and can be reached by it", () => {
    const table = view({ exclude: ["c.tif"] });
    const row = resolvePath(table, "b/three.txt") ?? NONE;
    const first = rowOfInode(table, inodeOf(table, row));
    expect(table.link(row)).toBe(first);
    expect(table.size(first)).toBe(table.size(row));
  });

  test(".oci stays whatever is asked for", () => {
    const table = view({ include: ["*.txt"], exclude: ["*.json", "layers", ".oci"] });
    expect(resolvePath(table, ".oci/stats.json")).toBeDefined();
    expect(resolvePath(table, ".oci/layers/x.tif")).toBeDefined();
    expect(seen(table)).not.toContain(".oci");
  });

  test("the original is not touched", () => {
    const before = Buffer.from(new Uint8Array(whole)).toString("hex");
    filterTree(whole, { include: ["x"], subpath: "a" });
    expect(Buffer.from(new Uint8Array(whole)).toString("hex")).toBe(before);
  });

  test("a filtered tree can be filtered again", () => {
    const twice = filterTree(filterTree(whole, { exclude: ["deep"] }), { include: ["*.tif"] });
    expect(seen(openTree(twice))).toEqual(["a", "a/one.tif", "c.tif"]);
  });
});

describe("subpath", () => {
  const table = view({ subpath: "/a/", exclude: ["/one.txt"] });

  test("its directory is the root, patterns and paths begin there", () => {
    expect(seen(table)).toEqual(["deep", "deep/two.tif", "one.tif"]);
    expect(names(table, table.root)).toEqual(["deep", "one.tif"]);
    expect(pathOf(table, resolvePath(table, "deep/two.tif") ?? NONE)).toBe("deep/two.tif");
    expect(resolvePath(table, "../c.tif")).toBeUndefined();
    expect(table.parent(table.root)).toBe(table.root);
    expect(table.nlink(table.root)).toBe(3);
  });

  test("inode 1 is the root of the mount, the others stay", () => {
    expect(rowOfInode(table, 1)).toBe(table.root);
    const before = openTree(whole);
    expect(inodeOf(table, resolvePath(table, "one.tif") ?? NONE)).toBe(
      inodeOf(before, resolvePath(before, "a/one.tif") ?? NONE),
    );
    expect(rowOfInode(table, 0)).toBe(NONE);
    expect(rowOfInode(table, table.rows)).toBe(table.rows - 1);
    expect(rowOfInode(table, table.rows + 1)).toBe(NONE);
  });

  test(".oci is found below the new root, and nowhere else", () => {
    const metadata = table.lookup(table.root, bytes(".oci"));
    expect(names(table, metadata)).toEqual(["layers", "stats.json"]);
    expect(pathOf(table, metadata)).toBe(".oci");
    expect(table.parent(metadata)).toBe(table.root);
    expect(pathOf(table, resolvePath(table, ".oci/stats.json") ?? NONE)).toBe(".oci/stats.json");
    expect(table.lookup(resolvePath(table, "deep") ?? NONE, bytes(".oci"))).toBe(NONE);
  });

  test("an entry of its own called .oci makes way", () => {
    const inner = buildTree([...ENTRIES, file("a/.oci/mine")]);
    const rooted = openTree(filterTree(inner, { subpath: "a" }));
    expect(seen(rooted)).toEqual(["deep", "deep/two.tif", "one.tif", "one.txt"]);
    expect(resolvePath(rooted, ".oci/mine")).toBeUndefined();
    expect(resolvePath(rooted, ".oci/stats.json")).toBeDefined();
    expect(resolvePath(openTree(inner), "a/.oci/mine")).toBeDefined();
  });

  test.each([
    ["nowhere", "not-found"],
    ["c.tif", "usage"],
    ["c.tif/", "not-found"],
    [".oci", "usage"],
    [".oci/layers", "usage"],
  ])("%s is %s", (subpath, code) => {
    expect(() => filterTree(whole, { subpath })).toThrow(expect.objectContaining({ code }) as Error);
  });

  test.each(["", "/", ".", "a/.."])("%j is the whole tree", (subpath) => {
    expect(view({ subpath }).root).toBe(0);
  });
});

test("paths resolve without following links", () => {
  const tree = openTree(buildTree([file("a/b"), { path: "l", kind: "symlink", target: "a" }]));
  expect(resolvePath(tree, "a//./b")).toBe(tree.lookup(resolvePath(tree, "a") ?? NONE, bytes("b")));
  for (const path of ["l/b", "a/b/", "a/b/.", "a/b/..", "x", "x/.."]) expect(resolvePath(tree, path)).toBeUndefined();
  expect(resolvePath(tree, "../..")).toBe(0);
});

test("attributes: owners, blocks, times before the epoch and with fractions", () => {
  const tree = openTree(
    buildTree([
      file("a", { size: 1025, mtime: -0.5, uid: 7, gid: 8, mode: 0o4750 }),
      file("b", { size: 0, mtime: 1_700_000_000.25 }),
    ]),
  );
  const into = emptyAttributes();
  readAttributes(tree, 1, { owner: { uid: 1, gid: 2 }, into });
  expect(into).toEqual({
    inode: 2,
    size: 1025,
    blocks: 3,
    mtimeSeconds: -1,
    mtimeNanoseconds: 500_000_000,
    mode: 0o104750,
    nlink: 1,
    uid: 7,
    gid: 8,
  });
  readAttributes(tree, 2, { owner: { uid: 1, gid: 2 }, into });
  expect(into).toMatchObject({ inode: 3, blocks: 0, mtimeNanoseconds: 250_000_000, uid: 1, gid: 2, mode: 0o100444 });
  expect(into.mtimeSeconds).toBe(1_700_000_000);
});

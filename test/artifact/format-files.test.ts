import { SharedThreads } from "../../src/formats/shared-threads.ts";
import { describe, expect, test } from "vitest";
import { memorySource } from "../../src/bytes/source.ts";
import { formatFile, type FormatTree } from "../../src/artifact/format-files.ts";
import { isFileSet } from "../../src/formats/open.ts";

const PATHS = [
  "a.csv",
  "by/year=2023/a.parquet",
  "by/year=2024/b.parquet",
  "by/year=2024/deep/c.parquet",
  "odd[1].csv",
];

/** A tree of files of 10,000 bytes that counts what is let go. */
function tree(): FormatTree & { readonly released: string[]; readonly merged: unknown[] } {
  const released: string[] = [];
  const merged: unknown[] = [];
  return {
    reference: "oci:x",
    threads: new SharedThreads(),
    released,
    merged,
    kind: (path) =>
      PATHS.includes(path)
        ? "file"
        : path === "" || PATHS.some((file) => file.startsWith(`${path}/`))
          ? "directory"
          : path === "link"
            ? "symlink"
            : undefined,
    files: (directory) => PATHS.filter((path) => directory === "" || path.startsWith(`${directory}/`)),
    source: (path) => ({ ...memorySource(path, new Uint8Array(10_000)), release: () => released.push(path) }),
    mediaType: (path) => (path === "a.csv" ? "text/csv" : undefined),
    roundTripBytes: () => 1000,
    merge: (ranges, size) => {
      merged.push([ranges, size]);
      return ranges;
    },
  };
}

function pathsOf(path: string): readonly string[] {
  const { target } = formatFile(tree(), path);
  if (!isFileSet(target)) throw new Error("one file");
  return target.paths;
}

test("a file, with what the artifact says of it", () => {
  const all = tree();
  const file = formatFile(all, "a.csv");
  const { target, options } = file;
  expect([isFileSet(target), options.hint]).toEqual([false, { name: "a.csv", mediaType: "text/csv" }]);
  options.merge?.([{ start: 0, end: 1 }]);
  expect(all.merged).toEqual([[[{ start: 0, end: 1 }], 10_000]]);
  file.close();
  expect(all.released).toEqual(["a.csv"]);
});

test("a name that looks like a pattern is a name where there is one", () => {
  expect(isFileSet(formatFile(tree(), "odd[1].csv").target)).toBe(false);
});

describe("many", () => {
  test("a directory: names from there", () => {
    expect(pathsOf("by")).toEqual(["year=2023/a.parquet", "year=2024/b.parquet", "year=2024/deep/c.parquet"]);
    expect(pathsOf("")).toEqual(PATHS);
  });

  test.each([
    ["by/*/*.parquet", ["by/year=2023/a.parquet", "by/year=2024/b.parquet"]],
    ["by/**/*.parquet", ["by/year=2023/a.parquet", "by/year=2024/b.parquet", "by/year=2024/deep/c.parquet"]],
    ["by/year=202[34]/?.parquet", ["by/year=2023/a.parquet", "by/year=2024/b.parquet"]],
    ["*.csv", ["a.csv", "odd[1].csv"]],
  ])("%s: names from the root", (pattern, paths) => expect(pathsOf(pattern)).toEqual(paths));

  test("each file is one source, let go with the rest", () => {
    const all = tree();
    const files = formatFile(all, "by");
    const { target } = files;
    if (!isFileSet(target)) throw new Error("one file");
    const first = target.file("year=2023/a.parquet");
    expect([first?.id, target.file("year=2023/a.parquet") === first, target.file("none")]).toEqual([
      "by/year=2023/a.parquet",
      true,
      undefined,
    ]);
    files.close();
    expect(all.released).toEqual(["by/year=2023/a.parquet"]);
  });
});

test("what is not there, and links", () => {
  expect(() => formatFile(tree(), "none")).toThrow('oci:x has no path "none"');
  expect(() => formatFile(tree(), "*.tif")).toThrow('oci:x has no file like "*.tif"');
  expect(() => formatFile(tree(), "link")).toThrow('"link" is a symbolic link');
});

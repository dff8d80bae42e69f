import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { assignNames, entryWish, layerWish, printable, type TreeWarning } from "../../src/layers/names.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";

const TITLE = "org.opencontainers.image.title";

function layer(annotations: Record<string, string>, seed = "x"): Descriptor {
  return { mediaType: "text/plain", digest: digestOf(Buffer.from(seed)), size: 1, annotations };
}

function named(titles: readonly string[]): {
  readonly paths: readonly (string | undefined)[];
  readonly warnings: readonly TreeWarning[];
} {
  const wishes = titles.map((title, i) =>
    layerWish(layer({ [TITLE]: title }, `${i}`), { extension: ".txt", atRoot: true }),
  );
  return assignNames(wishes);
}

const hash = (seed: string): string => `sha256-${digestOf(Buffer.from(seed)).slice(7, 19)}`;
const DIGEST_NAME = `${hash("0")}.txt`;

describe("one name", () => {
  test.each([
    ["a.txt", "a.txt"],
    ["con", "con"],
    ["sample/10000.tar", "sample/10000.tar"],
    ["naïve/ü.tif", "naïve/ü.tif"],
    [" ~ ", " ~ "],
    ["x".repeat(255), "x".repeat(255)],
    ["...", "..."],
    ["a/.oci", "a/.oci"],
    [".ocis", ".ocis"],
  ])("%j stays as it is", (title, path) => {
    expect(named([title])).toEqual({ paths: [path], warnings: [] });
  });

  test.each([
    ["../../etc/passwd", "etc/passwd"],
    ["/abs", "abs"],
    ["../data/pastis/1.tar", "data/pastis/1.tar"],
    ["./a", "a"],
    ["a//b/", "a/b"],
    ["a/../b", "b"],
    ["a/../../b", "b"],
    ["a/./b", "a/b"],
    ["", DIGEST_NAME],
    [".", DIGEST_NAME],
    ["..", DIGEST_NAME],
    ["/", DIGEST_NAME],
    ["a/..", DIGEST_NAME],
    [".oci", ".oci~file"],
    ["./.oci", ".oci~file"],
    [".oci/x", ".oci~file/x"],
    ["a/../.oci/manifest.json", ".oci~file/manifest.json"],
  ])("%j becomes %j with one warning", (title, path) => {
    const { paths, warnings } = named([title]);
    expect(paths).toEqual([path]);
    expect(warnings).toMatchObject([{ layer: digestOf(Buffer.from("0")), original: title, name: path }]);
  });

  test.each([
    ["a\0b", "a\\x00b", /NUL/],
    ["a\\b", "a\\\\b", /backslash/],
    ["a\nb", "a\\x0ab", /control/],
    ["a\u007fb", "a\\x7fb", /control/],
    ["a\u0085b", "a\\x85b", /control/],
    ["y".repeat(300), `${"y".repeat(200)}...`, /255 bytes/],
    [`a/${"é".repeat(128)}/b`, `a/${"é".repeat(128)}/b`, /255 bytes/],
    ["d/".repeat(2100), `${"d/".repeat(100)}...`, /longer than any path/],
  ])("%j is left out", (title, original, reason) => {
    const { paths, warnings } = named([title]);
    expect(paths).toEqual([undefined]);
    expect(warnings).toMatchObject([{ original, name: undefined }]);
    expect(warnings[0]?.reason).toMatch(reason);
  });

  test("a lone surrogate is replaced, since no file name can hold it", () => {
    expect(named(["a\ud800b"]).paths).toEqual(["a\ufffdb"]);
    expect(named(["a\ud800b", "a\ud801b"]).paths).toEqual(["a\ufffdb", "a\ufffdb~2"]);
  });
});

test("names come from the title, else a model's file path, else the digest", () => {
  const at = (annotations: Record<string, string>): string | undefined =>
    layerWish(layer(annotations), { extension: ".tar.gz", atRoot: true }).path;
  expect(at({ [TITLE]: "t", "org.cnai.model.filepath": "a", "org.cncf.model.filepath": "b" })).toBe("t");
  expect(at({ "org.cnai.model.filepath": "a", "org.cncf.model.filepath": "b" })).toBe("a");
  expect(at({ "org.cncf.model.filepath": "../b" })).toBe("b");
  expect(at({})).toBe(`${hash("x")}.tar.gz`);
  expect(layerWish(layer({}), { extension: "", atRoot: true }).reasons).toEqual([]);
});

describe("names that meet", () => {
  test("the second gets a number before its last extension", () => {
    expect(named(["a.tar.gz", "a.tar.gz", "a.tar.gz"]).paths).toEqual(["a.tar.gz", "a.tar~2.gz", "a.tar~3.gz"]);
    expect(named([".env", ".env", "d.e/f", "d.e/f"]).paths).toEqual([".env", ".env~2", "d.e/f", "d.e/f~2"]);
  });

  test("a name that needs no change is never taken by another's number", () => {
    expect(named(["a.txt", "a.txt", "a~2.txt"]).paths).toEqual(["a.txt", "a~3.txt", "a~2.txt"]);
    expect(named(["x/../a", "a"]).paths).toEqual(["a", "a~2"]);
  });

  test.each([
    [
      ["a", "a/b"],
      ["a~file", "a/b"],
    ],
    [
      ["a/b", "a"],
      ["a/b", "a~file"],
    ],
    [
      ["a.txt/b", "a.txt", "a.txt"],
      ["a.txt/b", "a.txt~file", "a~2.txt~file"],
    ],
    [
      ["a", "a/b", "a~file/c"],
      ["a~file~file", "a/b", "a~file/c"],
    ],
    [
      ["a", "a/b", "a~file"],
      ["a~file~2", "a/b", "a~file"],
    ],
    [
      [".oci", ".oci/x"],
      [".oci~file~file", ".oci~file/x"],
    ],
    [
      ["a/b/c", "a/b", "a"],
      ["a/b/c", "a/b~file", "a~file"],
    ],
  ])("%j become %j: a file makes way for a directory", (titles, paths) => {
    // `~2` of `a.txt~file` stands before its last extension, which is `.txt~file`.
    expect(named(titles).paths).toEqual(paths);
  });

  test("a renamed name that grows too long leaves its layer out", () => {
    const long = "n".repeat(254);
    const { paths, warnings } = named([long, long]);
    expect(paths).toEqual([long, undefined]);
    expect(warnings).toMatchObject([{ name: undefined, reason: expect.stringContaining("no room") as string }]);
  });

  test("a changed name that meets another is one warning with both reasons", () => {
    const { warnings } = named(["a", "/a"]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ original: "/a", name: "a~2" });
    expect(warnings[0]?.reason).toBe("is not a plain relative path, is the name of another file");
  });

  test("ten thousand layers of one name, and as many that try to take its numbers", () => {
    const titles = Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? "a.bin" : `a~${i}.bin`));
    const { paths, warnings } = named(titles);
    expect(new Set(paths).size).toBe(20_000);
    expect(warnings).toHaveLength(9999);
    expect(paths[1]).toBe("a~1.bin");
    expect(paths.at(-2)).toBe("a~19998.bin");
  });
});

test("whatever the titles, paths differ, are safe, and no file is a directory; twice the same", () => {
  const step = fc.constantFrom("a", "b", "..", ".", "", ".oci", "a~file", "a~2", "a.x", "a~2.x", "\0", "é");
  const title = fc.array(step, { maxLength: 5 }).map((steps) => steps.join("/"));
  fc.assert(
    fc.property(fc.array(title, { maxLength: 30 }), (titles) => {
      const { paths, warnings } = named(titles);
      const present = paths.filter((path) => path !== undefined);
      expect(new Set(present).size).toBe(present.length);
      const directories = new Set(
        present.flatMap((path) => path.split("/").map((_, i, steps) => steps.slice(0, i).join("/"))),
      );
      for (const path of present) {
        expect(directories.has(path)).toBe(false);
        expect(path.split("/").some((part) => part === "" || part === "." || part === "..")).toBe(false);
        expect(path.split("/")[0]).not.toBe(".oci");
      }
      titles.forEach((original, i) => {
        if (paths[i] !== original) expect(warnings.some((warning) => warning.name === paths[i])).toBe(true);
      });
      expect(warnings.length).toBe(titles.filter((original, i) => paths[i] !== original).length);
      expect(named(titles)).toEqual({ paths, warnings });
    }),
    { numRuns: 500 },
  );
});

test("entries of an index are directories: numbered at the end, never left out for a bad name", () => {
  const entry = (name: string, seed: string): Descriptor => layer({ "org.opencontainers.image.ref.name": name }, seed);
  const wishes = [entry("v1.0", "0"), entry("v1.0", "1"), entry("a\nb", "2"), layer({}, "3")].map((e) => entryWish(e));
  const { paths, warnings } = assignNames(wishes, { extension: false });
  expect(paths).toEqual(["v1.0", "v1.0~2", hash("2"), hash("3")]);
  expect(warnings).toMatchObject([
    { original: "v1.0", name: "v1.0~2" },
    { original: "a\\x0ab", name: hash("2"), reason: "holds a control character" },
  ]);
});

test("printable text holds no character that could steer a terminal or turn text around", () => {
  expect(printable("a\u001b[31m\u202eb\u2028\ud800")).toBe("a\\x1b[31m\\u{202e}b\\u{2028}\\u{d800}");
  expect(printable("é漢😀")).toBe("é漢😀");
});

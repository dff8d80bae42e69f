import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildTree } from "../../src/layers/tree-builder.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";
import { filterTree } from "../../src/layers/tree-filter.ts";
import { sealTree, treeSections, type TreeColumns, type TreeCounts } from "../../src/layers/tree-format.ts";
import { isDirectory, pathOf } from "../../src/layers/tree-paths.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import { verifyTree } from "../../src/layers/tree-verify.ts";
import { readEverything, settle } from "../support/tree-reads.ts";
import { bytes } from "./tree-model.ts";

const ENTRIES: readonly TreeEntry[] = [
  { path: "a/b/c.txt", kind: "file", size: 7, source: 1, offset: 5 },
  { path: "a/b/d", kind: "file", size: 3, source: 0, group: 1 },
  { path: "a/e", kind: "file", size: 3, source: 0, group: 1 },
  { path: "a/link", kind: "symlink", target: "b/c.txt" },
  { path: "z", kind: "directory" },
];
const xattrs = [{ name: "user.a", value: bytes("1") }, { name: "user.live" }];

function built(): SharedArrayBuffer {
  return buildTree(ENTRIES, { sources: [[], xattrs] });
}

/** A table of one's own making: changed, then sealed again, so that only its structure can betray it. */
function forged(change: (columns: TreeColumns) => void, counts: Partial<TreeCounts> = {}): SharedArrayBuffer {
  const buffer = built();
  const sections = treeSections(buffer);
  change(sections.columns);
  sealTree(buffer, { ...sections.counts, ...counts });
  return buffer;
}

const malformed = expect.objectContaining({ code: "malformed" }) as Error;

describe("a sound table", () => {
  test("is opened and verified", () => {
    expect(verifyTree(built()).rows).toBe(8);
    expect(verifyTree(filterTree(built(), { subpath: "a", exclude: ["e"] })).root).toBe(1);
    expect(verifyTree(buildTree([])).rows).toBe(1);
    readEverything(built());
  });

  test("keeps its bytes when it is stored and loaded", () => {
    const stored = Buffer.from(new Uint8Array(built()));
    const loaded = new SharedArrayBuffer(stored.length);
    new Uint8Array(loaded).set(stored);
    expect(pathOf(verifyTree(loaded), 3)).toBe(pathOf(openTree(built()), 3));
  });

  test("the same entries give the same bytes", () => {
    expect(Buffer.from(new Uint8Array(built()))).toEqual(Buffer.from(new Uint8Array(built())));
  });
});

describe("damage", () => {
  test("in the header is found by opening", () => {
    const sound = new Uint8Array(built());
    for (let at = 0; at < 56; at += 1) {
      // The checksum of the body is part of the checked header.
      const buffer = built();
      new Uint8Array(buffer)[at] = (sound[at] ?? 0) ^ 0x10;
      expect(() => openTree(buffer), `byte ${at}`).toThrow(malformed);
    }
  });

  test("of length is found by opening", () => {
    const sound = new Uint8Array(built());
    for (const length of [0, 1, 127, 128, sound.length - 8, sound.length - 1, sound.length + 8]) {
      const buffer = new SharedArrayBuffer(length);
      new Uint8Array(buffer).set(sound.subarray(0, length));
      expect(() => openTree(buffer), `${length} bytes`).toThrow(malformed);
    }
  });

  test("of any byte behind the header is found by verifying, and reading stays inside meanwhile", () => {
    const sound = new Uint8Array(built());
    for (let at = 128; at < sound.length; at += 1) {
      const buffer = built();
      new Uint8Array(buffer)[at] = (sound[at] ?? 0) ^ 0xff;
      expect(() => verifyTree(buffer), `byte ${at}`).toThrow(malformed);
      if (at % 7 === 0) readEverything(buffer);
    }
  });

  test("of many bytes under right checksums neither crashes, hangs nor leaves the buffer", () => {
    const length = built().byteLength;
    const change = fc.tuple(fc.nat(length - 1), fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 40 }), (changes) => {
        const buffer = built();
        const { counts } = treeSections(buffer);
        const view = new Uint8Array(buffer);
        for (const [at, value] of changes) view[Math.max(128, at)] = value;
        sealTree(buffer, counts);
        readEverything(buffer);
        settle(() => {
          // Whatever passes is a tree: every row has a path that leads back to it.
          const table = verifyTree(buffer);
          for (let row = 0; row < table.rows; row += 1) {
            if (isDirectory(table, row)) expect(table.link(row)).toBe(row);
            if (row > 0) expect(table.parent(row)).toBeLessThan(row);
            if (row > 0 && (table.flags(row) & 2) === 0)
              expect(table.lookup(table.parent(row), table.name(row))).toBe(row);
          }
        });
      }),
      { numRuns: 250 },
    );
  });
});

test.each<[string, (columns: TreeColumns) => void]>([
  ["a directory that holds itself", (c) => void (c.first[1] = 1)],
  ["children beyond the end", (c) => void (c.count[0] = 100)],
  ["rows of no directory", (c) => void (c.count[3] = 1)],
  ["a parent that is another", (c) => void (c.parent[5] = 2)],
  ["a root that is a file", (c) => void (c.mode[0] = 0o100644)],
  ["names out of order", (c) => c.names.set(bytes("z"), 0)],
  ["a name with a slash", (c) => c.names.set(bytes("/"), 1)],
  ["a name with NUL", (c) => c.names.set([0], 0)],
  ["a name of no bytes", (c) => void (c.nameEnd[2] = 0)],
  ["a device", (c) => void (c.mode[3] = 0o020644)],
  ["a source that is not there", (c) => void (c.source[3] = 2)],
  ["a size that is no number", (c) => void (c.size[3] = Number.NaN)],
  ["a size past 2^53", (c) => void (c.size[3] = 2 ** 60)],
  ["a negative offset", (c) => void (c.offset[3] = -1)],
  ["a time that is no number", (c) => void (c.mtime[3] = Infinity)],
  ["a link text beyond the end", (c) => void c.size.fill(100)],
  ["a hard link to a directory", (c) => void (c.first[4] = 1)],
  ["a hard link forward", (c) => void (c.first[4] = 7)],
  ["attributes that end outside", (c) => void c.xattrs.fill(0xff)],
])("a table with %s is refused though its checksums hold", (_what, change) => {
  const buffer = forged(change);
  expect(() => verifyTree(buffer)).toThrow(malformed);
  readEverything(buffer);
});

test("a view rooted in a file is refused", () => {
  expect(() => verifyTree(forged(() => undefined, { root: 4 }))).toThrow(malformed);
  expect(() => openTree(forged(() => undefined, { root: 8 }))).toThrow(malformed);
  expect(() => openTree(forged(() => undefined, { inodeBase: -1 }))).toThrow(malformed);
  expect(() => openTree(forged(() => undefined, { inodeBase: Number.NaN }))).toThrow(malformed);
});

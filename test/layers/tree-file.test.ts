import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildTree } from "../../src/layers/tree-builder.ts";
import { openTreeFile, writeTreeFile } from "../../src/layers/tree-file.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import { temporaryFolder, type Folder } from "../support/processes.ts";

const tree = openTree(
  buildTree(
    [
      { path: "a/b.txt", kind: "file", size: 7, source: 0, mtime: 5 },
      { path: "a/ü", kind: "symlink", target: "b.txt" },
      { path: "c", kind: "file", size: 5 * 2 ** 40, source: 0 },
    ],
    { sources: [[]] },
  ),
);
let folder: Folder;
let path: string;
beforeEach(() => {
  folder = temporaryFolder("tree-file");
  path = join(folder.path, "tree");
});
afterEach(() => folder.remove());

test("a table that was written is the same when it is opened, and nobody else may read it", () => {
  expect(openTreeFile(path)).toBeUndefined();
  writeTreeFile(path, tree);
  writeTreeFile(path, tree);
  expect([readdirSync(folder.path), statSync(path).mode & 0o777]).toEqual([["tree"], 0o600]);
  const opened = openTreeFile(path);
  expect(opened?.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(Buffer.from(new Uint8Array(opened?.buffer ?? new SharedArrayBuffer(0)))).toEqual(
    Buffer.from(new Uint8Array(tree.buffer)),
  );
});

test("a table that is cut short, damaged, empty or a link is refused, and none of it is served", () => {
  writeTreeFile(path, tree);
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length; at += 61) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    writeFileSync(path, damaged);
    // The header has bytes that nothing is said by.
    if (at >= 56 && at < 128) continue;
    expect(() => openTreeFile(path), `byte ${at}`).toThrow(/tree table/);
  }
  writeFileSync(path, whole);
  truncateSync(path, whole.length - 8);
  expect(() => openTreeFile(path)).toThrow(/cut short/);
  truncateSync(path, 0);
  expect(() => openTreeFile(path)).toThrow(/shorter than its header/);
  writeFileSync(path, whole);
  chmodSync(path, 0o660);
  expect(() => openTreeFile(path)).toThrow(/by another user/);
  symlinkSync(path, join(folder.path, "link"));
  expect(() => openTreeFile(join(folder.path, "link"))).toThrow(/cannot read/);
  expect(() => writeTreeFile(join(folder.path, "none/tree"), tree)).toThrow(/cannot write/);
});

import { expect, test } from "vitest";
import { NONE } from "../../src/layers/tree.ts";
import { TreeBuilder } from "../../src/layers/tree-builder.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import { bytes } from "./tree-model.ts";

/** A permutation of [0, n) for n prime, so that paths arrive in no order. */
const shuffled = (i: number, n: number): number => (i * 48_271) % n;

test("a million files in a thousand directories fit in under 80 bytes each, name included", () => {
  const builder = new TreeBuilder();
  const files = 1_000_003;
  for (let i = 0; i < files; i += 1) {
    const place = shuffled(i, files);
    builder.add({ path: `dir${place % 1000}/${place}.npy`, kind: "file", size: place, source: 0 });
  }
  const buffer = builder.build({ sources: [[]] });
  const table = openTree(buffer);
  expect(table.rows).toBe(files + 1001);
  expect(buffer.byteLength / table.rows).toBeLessThan(80);
  expect(table.nlink(0)).toBe(1002);
  for (let place = 0; place < files; place += 9973) {
    const directory = table.lookup(0, bytes(`dir${place % 1000}`));
    expect(table.size(table.lookup(directory, bytes(`${place}.npy`)))).toBe(place);
    expect(table.lookup(directory, bytes(`${place}.np`))).toBe(NONE);
  }
}, 240_000);

test.each([
  [200_003, "file-"],
  [5003, "ü".repeat(124)],
])(
  "%i entries of one directory come out sorted",
  (files, prefix) => {
    const builder = new TreeBuilder();
    for (let i = 0; i < files; i += 1) {
      builder.add({ path: `${prefix}${String(shuffled(i, files)).padStart(7, "0")}`, kind: "file", size: i });
    }
    const table = openTree(builder.build());
    expect(table.childCount(0)).toBe(files);
    let wrong = 0;
    for (let place = 0; place < files; place += 1) {
      if (table.size(place + 1) >= files || shuffled(table.size(place + 1), files) !== place) wrong += 1;
    }
    expect(wrong).toBe(0);
  },
  120_000,
);

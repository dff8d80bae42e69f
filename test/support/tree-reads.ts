import { isRiffleError } from "../../src/errors.ts";
import { readAttributes, emptyAttributes, rowOfInode } from "../../src/layers/tree-attributes.ts";
import { filterTree } from "../../src/layers/tree-filter.ts";
import { listable, pathOf, resolvePath, treeTotals, walk } from "../../src/layers/tree-paths.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import { NONE } from "../../src/layers/tree.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** Everything that a reader can ask of a table, whatever its state. Ends, and asks for nothing out of bounds. */
export function readEverything(buffer: SharedArrayBuffer): void {
  const table = openTree(buffer);
  const attributes = emptyAttributes();
  const into = new Uint8Array(1 << 16);
  for (const row of [...Array.from({ length: table.rows + 2 }, (_, i) => i), NONE]) {
    readAttributes(table, row, { owner: { uid: 1, gid: 2 }, into: attributes });
    table.lookup(row, bytes("b"));
    table.lookup(row, bytes(".oci"));
    if (table.nameBytes(row) <= into.length) table.copyName(row, into, 0);
    table.name(row);
    table.target(row);
    table.xattrNames(row);
    table.xattr(row, "user.a");
    rowOfInode(table, attributes.inode);
    for (const child of listable(table, row)) if (child > 1e6) break;
    settle(() => pathOf(table, row));
  }
  settle(() => resolvePath(table, "a/b/../b/c.txt"));
  settle(() => [...walk(table)].length);
  settle(() => treeTotals(table));
  settle(() => filterTree(buffer, { include: ["*.txt"], subpath: "a" }));
}

/** Runs `job`; a refusal of ours is an answer. */
export function settle(job: () => unknown): void {
  try {
    job();
  } catch (error) {
    if (!isRiffleError(error)) throw error;
  }
}

import { RiffleError } from "../errors.ts";
import { compareNames, sortByName, type NameArena } from "./byte-sort.ts";
import { NONE, ROW_FILTERED, ROW_HIDDEN, S_IFDIR } from "./tree.ts";
import { allocateTree, sealTree, type TreeColumns } from "./tree-format.ts";
import type { NodeColumns } from "./tree-nodes.ts";
import { encodeXattrs, type Xattr } from "./xattrs.ts";

export type SourceXattrs = readonly Xattr[];

/** What a builder has gathered. */
export interface TreeDraft {
  readonly count: number;
  readonly nodes: NodeColumns;
  readonly names: Uint8Array;
  readonly targets: readonly Uint8Array[];
  readonly sources: readonly SourceXattrs[];
  readonly inodeBase: number;
}

const FORMAT_BITS = 0o170000;

/** Rows in order of depth, children of a directory together and sorted: a parent's row is always below its children's. */
export function layOutTree(draft: TreeDraft): SharedArrayBuffer {
  const placed = placeRows(draft, sortedChildren(draft));
  const xattrs = draft.sources.map((source) => encodeXattrs(source));
  const nameBytes = sum(placed.nodeOf, (node) => draft.nodes.nameLength[node] ?? 0);
  const targetBytes = sum(placed.nodeOf, (node) => draft.targets[draft.nodes.target[node] ?? NONE]?.length ?? 0);
  const counts = {
    rows: placed.nodeOf.length,
    sources: draft.sources.length,
    root: 0,
    inodeBase: draft.inodeBase,
    nameBytes,
    targetBytes,
    xattrBytes: sum(xattrs, (record) => record.length),
  };
  for (const bytes of [counts.targetBytes, counts.xattrBytes]) {
    if (bytes > 0xffff_ffff) throw new RiffleError("malformed", "tree has over 4 GiB of link targets or attributes");
  }
  const { buffer, columns } = allocateTree(counts);
  columns.parent.set(placed.parent);
  columns.first.set(placed.first);
  columns.count.set(placed.count);
  fillRows(draft, placed.nodeOf, columns);
  shareInodes(draft, placed.nodeOf, columns);
  countDirectories(columns);
  let end = 0;
  xattrs.forEach((record, source) => {
    columns.xattrs.set(record, end);
    end += record.length;
    columns.xattrEnd[source + 1] = end;
  });
  sealTree(buffer, counts);
  return buffer;
}

interface Children {
  /** Node numbers, those of one parent together. */
  readonly order: Uint32Array;
  /** The children of node `n` are `order[start[n], start[n + 1])`. */
  readonly start: Uint32Array;
}

function sortedChildren({ count, nodes, names }: TreeDraft): Children {
  const start = new Uint32Array(count + 1);
  for (let node = 1; node < count; node += 1) add(start, (nodes.parent[node] ?? 0) + 1, 1);
  for (let node = 0; node < count; node += 1) add(start, node + 1, start[node] ?? 0);
  const next = start.slice();
  const order = new Uint32Array(count - 1);
  for (let node = 1; node < count; node += 1) {
    const parent = nodes.parent[node] ?? 0;
    order[next[parent] ?? 0] = node;
    add(next, parent, 1);
  }
  const arena: NameArena = { bytes: names, start: nodes.nameStart, length: nodes.nameLength };
  for (let node = 0; node < count; node += 1) {
    const range = { from: start[node] ?? 0, to: start[node + 1] ?? 0 };
    if (range.to - range.from > 1) sortByName(order, arena, range);
  }
  return { order, start };
}

interface Placed {
  readonly nodeOf: Uint32Array;
  readonly parent: Uint32Array;
  readonly first: Uint32Array;
  readonly count: Uint32Array;
}

function placeRows(draft: TreeDraft, { order, start }: Children): Placed {
  const { count: nodeCount, nodes, names } = draft;
  const arena: NameArena = { bytes: names, start: nodes.nameStart, length: nodes.nameLength };
  const nodeOf = new Uint32Array(nodeCount);
  const parent = new Uint32Array(nodeCount);
  const first = new Uint32Array(nodeCount);
  const count = new Uint32Array(nodeCount);
  let rows = 1;
  for (let row = 0; row < rows; row += 1) {
    const node = nodeOf[row] ?? 0;
    first[row] = isDirectory(nodes, node) ? rows : row;
    const begin = rows;
    const to = start[node + 1] ?? 0;
    for (let i = start[node] ?? 0; i < to; i += 1) {
      const child = order[i] ?? 0;
      const previous = rows === begin ? NONE : (nodeOf[rows - 1] ?? 0);
      if (previous !== NONE && compareNames(arena, previous, child) === 0) {
        // Equal names lie in order of arrival: the later one is what the path is.
        if (isDirectory(nodes, previous) || isDirectory(nodes, child)) throw fileAndDirectory(draft, child);
        nodeOf[rows - 1] = child;
        continue;
      }
      nodeOf[rows] = child;
      parent[rows] = row;
      rows += 1;
    }
    count[row] = rows - begin;
  }
  const cut = (column: Uint32Array): Uint32Array => column.subarray(0, rows);
  return { nodeOf: cut(nodeOf), parent: cut(parent), first: cut(first), count: cut(count) };
}

function fileAndDirectory({ nodes, names }: TreeDraft, node: number): RiffleError {
  const start = nodes.nameStart[node] ?? 0;
  const name = Buffer.from(names.subarray(start, start + (nodes.nameLength[node] ?? 0))).toString();
  return new RiffleError("malformed", `path is both a file and a directory: ${JSON.stringify(name)}`);
}

function fillRows({ nodes, names, targets }: TreeDraft, nodeOf: Uint32Array, columns: TreeColumns): void {
  let nameEnd = 0;
  let targetEnd = 0;
  for (let row = 0; row < nodeOf.length; row += 1) {
    const node = nodeOf[row] ?? 0;
    const start = nodes.nameStart[node] ?? 0;
    const length = nodes.nameLength[node] ?? 0;
    for (let i = 0; i < length; i += 1) columns.names[nameEnd + i] = names[start + i] ?? 0;
    nameEnd += length;
    columns.nameEnd[row + 1] = nameEnd;
    columns.mode[row] = nodes.mode[node] ?? 0;
    columns.flags[row] = nodes.flags[node] ?? 0;
    columns.size[row] = nodes.size[node] ?? 0;
    columns.mtime[row] = nodes.mtime[node] ?? 0;
    columns.uid[row] = nodes.uid[node] ?? NONE;
    columns.gid[row] = nodes.gid[node] ?? NONE;
    columns.nlink[row] = 1;
    columns.source[row] = nodes.source[node] ?? NONE;
    const target = targets[nodes.target[node] ?? NONE];
    columns.offset[row] = target === undefined ? (nodes.offset[node] ?? 0) : targetEnd;
    if (target === undefined) continue;
    columns.targets.set(target, targetEnd);
    targetEnd += target.length;
  }
}

/** Gives every row of a hard link group the first row's inode, the last-added entry's attributes and the group's count. */
function shareInodes({ nodes }: TreeDraft, nodeOf: Uint32Array, columns: TreeColumns): void {
  const groups = new Map<number, { first: number; last: number; links: number }>();
  const groupOf = (row: number): number => nodes.group[nodeOf[row] ?? 0] ?? NONE;
  for (let row = 0; row < nodeOf.length; row += 1) {
    if (groupOf(row) === NONE) continue;
    const group = groups.get(groupOf(row));
    if (group === undefined) groups.set(groupOf(row), { first: row, last: row, links: 1 });
    else {
      group.links += 1;
      if ((nodeOf[row] ?? 0) > (nodeOf[group.last] ?? 0)) group.last = row;
    }
  }
  if (groups.size === 0) return;
  const shared = [columns.mode, columns.flags, columns.size, columns.mtime, columns.offset] as const;
  const owned = [columns.uid, columns.gid, columns.source] as const;
  for (const pass of ["first", "rest"] as const) {
    for (let row = 0; row < nodeOf.length; row += 1) {
      const group = groups.get(groupOf(row));
      if (group === undefined || (group.first === row) !== (pass === "first")) continue;
      // The first row takes the attributes before the others copy them from it.
      const from = pass === "first" ? group.last : group.first;
      for (const column of [...shared, ...owned]) column[row] = column[from] ?? 0;
      columns.first[row] = group.first;
      columns.nlink[row] = group.links;
    }
  }
}

/** Links of a directory: its name, its `.`, and the `..` of each subdirectory that can be listed. */
export function countDirectories(columns: TreeColumns): void {
  const { mode, flags, parent, nlink } = columns;
  for (let row = 0; row < mode.length; row += 1) {
    if (((mode[row] ?? 0) & FORMAT_BITS) !== S_IFDIR) continue;
    nlink[row] = 2;
    if (row > 0 && ((flags[row] ?? 0) & (ROW_HIDDEN | ROW_FILTERED)) === 0) add(nlink, parent[row] ?? 0, 1);
  }
}

function isDirectory(nodes: NodeColumns, node: number): boolean {
  return ((nodes.mode[node] ?? 0) & FORMAT_BITS) === S_IFDIR;
}

function add(column: Uint32Array, at: number, amount: number): void {
  column[at] = (column[at] ?? 0) + amount;
}

function sum<T>(items: Iterable<T>, measure: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += measure(item);
  return total;
}

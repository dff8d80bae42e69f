import { mergeRanges, type ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import type { BoundingBox } from "../table.ts";
import { levelSizes, NODE_BYTES, type FlatgeobufHeader } from "./header.ts";
import { boxesMeet } from "./wkb.ts";

/** An index up to this size is read whole: one request, where walking it would take one for each level. */
const SMALL_INDEX_BYTES = 256 * 1024;
/** Leaves that are looked at together: bounds what a box over everything holds, at about 100,000 features. */
const LEAF_WINDOW_NODES = 100_000;

/** Where one feature lies, counted from the first; `end` is where the next one begins. */
export interface FeaturePlace extends ByteRange {
  /** Its number in the file. */
  readonly row: number;
}

export interface TreeQuery extends ReadOptions {
  readonly header: FlatgeobufHeader;
  readonly size: number;
  readonly box: BoundingBox;
}

/**
 * The features whose boxes meet the query's, in the order of the file, some thousands at a time. One request for each level of
 * the tree below what the head of the file held; the packed tree is laid out level by level, the root first, and a node's
 * children follow each other (https://github.com/flatgeobuf/flatgeobuf, "packedrtree").
 */
export async function* searchTree(source: RangeSource, query: TreeQuery): AsyncGenerator<readonly FeaturePlace[]> {
  const { header } = query;
  if (header.features === undefined || header.index.end === header.index.start) return;
  const levels = levelsOf(header);
  const read = nodeReader(source, query, levels);
  const leaves = levels.at(-1) ?? { start: 0, count: 0 };
  let groups: readonly ByteRange[] = [{ start: 0, end: 1 }];
  for (const [depth, level] of levels.slice(0, -1).entries()) {
    const children = levels[depth + 1] ?? leaves;
    const nodes = await read(groups.map(({ start, end }) => ({ start: level.start + start, end: level.start + end })));
    groups = mergeRanges(
      nodes.filter(({ box }) => boxesMeet(box, query.box)).map((node) => childrenOf(node, { header, children })),
    );
  }
  for (const window of windowsOf(groups)) {
    // One node more than asked for, where there is one: it tells where the last feature ends.
    const places = window.map(({ start, end }) => ({
      start: leaves.start + start,
      end: leaves.start + Math.min(leaves.count, end + 1),
    }));
    const nodes = await read(mergeRanges(places));
    const found = placesOf(nodes, { query, window, firstLeaf: leaves.start });
    if (found.length > 0) yield found;
  }
}

/** Nodes of one level: `start` counts nodes from the root. */
interface Level {
  readonly start: number;
  readonly count: number;
}

interface Node {
  /** Its number, counted from the root. */
  readonly number: number;
  readonly box: BoundingBox;
  /** Of a leaf: bytes from the first feature. Else: the number of its first child. */
  readonly offset: bigint;
}

function levelsOf({ features = 0, nodeSize }: FlatgeobufHeader): readonly Level[] {
  let start = 0;
  return levelSizes(features, nodeSize).map((count) => {
    const level = { start, count };
    start += count;
    return level;
  });
}

type ReadNodes = (groups: readonly ByteRange[]) => Promise<readonly Node[]>;

/** Reads nodes by their numbers: from the bytes at hand as far as they go, the others of one call together. */
function nodeReader(source: RangeSource, { header, signal }: TreeQuery, levels: readonly Level[]): ReadNodes {
  const { start } = header.index;
  const how = { priority: "metadata" as const, ...(signal === undefined ? {} : { signal }) };
  const isSmall = header.index.end - start <= SMALL_INDEX_BYTES;
  let head = header.head;
  return async (groups) => {
    const ranges = groups.map((group) => ({
      start: start + group.start * NODE_BYTES,
      end: start + group.end * NODE_BYTES,
    }));
    if (isSmall && ranges.some(({ end }) => end > head.length) && levels.length > 0) {
      const known = Math.max(start, head.length);
      const rest = await source.read({ start: known, end: header.index.end }, how);
      head = Buffer.concat([head.subarray(0, known), rest]);
    }
    const missing = ranges.filter(({ end }) => end > head.length);
    const read = missing.length === 0 ? [] : await source.readMany(missing, how);
    let next = 0;
    return ranges.flatMap((range, index) => {
      const bytes =
        range.end > head.length ? (read[next++] ?? new Uint8Array()) : head.subarray(range.start, range.end);
      return parseNodes(bytes, groups[index]?.start ?? 0);
    });
  };
}

function parseNodes(bytes: Uint8Array, first: number): readonly Node[] {
  const view = viewOf(bytes);
  return Array.from({ length: Math.floor(bytes.length / NODE_BYTES) }, (_, index) => {
    const at = index * NODE_BYTES;
    const number = (offset: number): number => view.getFloat64(at + offset, true);
    const box = { west: number(0), south: number(8), east: number(16), north: number(24) };
    return { number: first + index, box, offset: view.getBigUint64(at + 32, true) };
  });
}

/** Nodes of the next level, counted from its first. */
function childrenOf(node: Node, { header, children }: { header: FlatgeobufHeader; children: Level }): ByteRange {
  const start = Number(node.offset) - children.start;
  if (start < 0 || start >= children.count) {
    throw new RiffleError("malformed", `node ${node.number} of the index points outside of the next level`);
  }
  return { start, end: Math.min(children.count, start + Math.max(2, header.nodeSize)) };
}

function* windowsOf(groups: readonly ByteRange[]): Generator<readonly ByteRange[]> {
  let window: ByteRange[] = [];
  let nodes = 0;
  for (const group of groups) {
    for (let start = group.start; start < group.end; start += LEAF_WINDOW_NODES) {
      const part = { start, end: Math.min(group.end, start + LEAF_WINDOW_NODES) };
      if (nodes + part.end - part.start > LEAF_WINDOW_NODES && window.length > 0) {
        yield window;
        window = [];
        nodes = 0;
      }
      window.push(part);
      nodes += part.end - part.start;
    }
  }
  if (window.length > 0) yield window;
}

interface Found {
  readonly query: TreeQuery;
  readonly window: readonly ByteRange[];
  readonly firstLeaf: number;
}

function placesOf(nodes: readonly Node[], { query, window, firstLeaf }: Found): readonly FeaturePlace[] {
  const { header, size, box } = query;
  const features = header.features ?? 0;
  const bytes = size - header.index.end;
  const places: FeaturePlace[] = [];
  let at = 0;
  for (const [index, node] of nodes.entries()) {
    const row = node.number - firstLeaf;
    while (at < window.length && (window[at]?.end ?? 0) <= row) at++;
    if (row < (window[at]?.start ?? Infinity) || !boxesMeet(node.box, box)) continue;
    const follower = row + 1 === features ? BigInt(bytes) : nodes[index + 1]?.offset;
    if (follower === undefined || node.offset >= follower || follower > BigInt(bytes)) {
      throw new RiffleError("malformed", `feature ${row} has no place in the file by its index`);
    }
    places.push({ row, start: Number(node.offset), end: Number(follower) });
  }
  return places;
}

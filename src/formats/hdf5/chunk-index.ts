import type { ByteRange } from "../../bytes/range.ts";
import { latin1, viewOf } from "../binary.ts";
import { address, uint, type ChunkIndex } from "./object-layout.ts";
import type { SyncReader } from "./sync-reader.ts";

/** Where chunks lie; null for those that are not stored. */
export type ChunkLookup = (cells: readonly (readonly number[])[]) => readonly (ByteRange | null)[];

/** Trees of real files are three or four levels high. */
const MAX_LEVELS = 12;
const NODE_HEAD_BYTES = 24;
const MAX_NODES = 100_000;

/** Undefined for kinds of index that are not looked into: extensible arrays, second B-trees. */
export function chunkLookup(
  reader: SyncReader,
  { index, shape }: { readonly index: ChunkIndex; readonly shape: readonly number[] },
): ChunkLookup | undefined {
  const lengths = index.dimensions.slice(0, -1);
  const bytes = index.dimensions.reduce((product, length) => product * length, 1);
  const counts = shape.map((length, axis) => Math.ceil(length / (lengths[axis] ?? 1)));
  const number = (cell: readonly number[]): number => cell.reduce((all, at, axis) => all * (counts[axis] ?? 1) + at, 0);
  const inside = (start: number, length: number): ByteRange | null =>
    start + length <= reader.size && length > 0 ? { start, end: start + length } : null;
  if (index.kind === "single") return (cells) => cells.map(() => inside(index.address, index.storedBytes ?? bytes));
  if (index.kind === "implicit")
    return (cells) => cells.map((cell) => inside(index.address + number(cell) * bytes, bytes));
  if (index.kind === "btree1") {
    return (cells) => {
      const found = new Map<string, ByteRange | null>();
      const wanted = cells.map((cell) => cell.map((at, axis) => at * (lengths[axis] ?? 1)));
      walkTree(
        { reader, index, found, inside, nodes: { left: MAX_NODES } },
        { at: index.address, level: undefined, wanted },
      );
      return wanted.map((cell) => found.get(cell.join(",")) ?? null);
    };
  }
  if (index.kind !== "fixed-array") return undefined;
  const entries = fixedArray(reader, { index, total: counts.reduce((product, count) => product * count, 1), bytes });
  return entries === undefined
    ? undefined
    : (cells) =>
        cells.map((cell) => {
          const entry = entries(number(cell));
          return entry === undefined ? null : inside(entry.start, entry.end - entry.start);
        });
}

interface Walk {
  readonly reader: SyncReader;
  readonly index: ChunkIndex;
  readonly found: Map<string, ByteRange | null>;
  readonly inside: (start: number, length: number) => ByteRange | null;
  readonly nodes: { left: number };
}

/** Version 1 B-tree, node type 1 (III.A.1): keys are a size, a filter mask and the offsets of a chunk, in C order. */
function walkTree(
  walk: Walk,
  {
    at,
    level,
    wanted,
  }: { readonly at: number; readonly level: number | undefined; readonly wanted: readonly (readonly number[])[] },
): void {
  const { reader, index, found, inside } = walk;
  walk.nodes.left -= 1;
  if (wanted.length === 0 || walk.nodes.left < 0) return;
  const head = reader.read(at, NODE_HEAD_BYTES);
  const own = head[5] ?? 0;
  if (latin1(head, 0, 4) !== "TREE" || head[4] !== 1 || own > MAX_LEVELS || (level !== undefined && own !== level - 1))
    return;
  const count = viewOf(head).getUint16(6, true);
  const keyBytes = 8 + index.dimensions.length * 8;
  const view = viewOf(reader.read(at + NODE_HEAD_BYTES, count * (keyBytes + 8) + keyBytes));
  const axes = index.dimensions.length - 1;
  const keyAt = (row: number): readonly number[] =>
    Array.from({ length: axes }, (_, axis) => uint(view, row * (keyBytes + 8) + 8 + axis * 8, 8));
  for (let row = 0; row < count; row += 1) {
    const key = keyAt(row);
    const child = address(view, row * (keyBytes + 8) + keyBytes);
    if (child === undefined) continue;
    if (own === 0) {
      found.set(key.join(","), inside(index.base + child, view.getUint32(row * (keyBytes + 8), true)));
      continue;
    }
    const next = keyAt(row + 1);
    const below = wanted.filter((cell) => compare(cell, key) >= 0 && compare(cell, next) < 0);
    walkTree(walk, { at: index.base + child, level: own, wanted: below });
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [axis, at] of a.entries()) if (at !== b[axis]) return at - (b[axis] ?? 0);
  return 0;
}

/** A fixed array without pages (III.C.7); others are not looked into. */
function fixedArray(
  reader: SyncReader,
  { index, total, bytes }: { readonly index: ChunkIndex; readonly total: number; readonly bytes: number },
): ((number: number) => ByteRange | undefined) | undefined {
  const head = viewOf(reader.read(index.address, 28));
  if (latin1(new Uint8Array(head.buffer, head.byteOffset, 4)) !== "FAHD") return undefined;
  const isFiltered = head.getUint8(5) === 1;
  const width = head.getUint8(6);
  const pageBits = head.getUint8(7);
  const count = uint(head, 8, 8);
  const block = address(head, 16);
  if (block === undefined || count < total || count > 2 ** pageBits || count * width > 64 * 1024 * 1024)
    return undefined;
  const view = viewOf(reader.read(index.base + block + 14, count * width));
  return (number) => {
    const at = number * width;
    const start = at + width <= view.byteLength ? address(view, at) : undefined;
    if (start === undefined) return undefined;
    const length = isFiltered ? uint(view, at + 8, width - 12) : bytes;
    return { start: index.base + start, end: index.base + start + length };
  };
}

import { serialize } from "flatgeobuf/lib/mjs/geojson.js";

export interface IndexedFile {
  readonly bytes: Uint8Array;
  /** Of each feature, in the order of the file. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
  readonly indexBytes: number;
}

const NODE_SIZE = 16;
const NODE_BYTES = 40;

/** Points on a grid along a winding line, with an index of the format's own layout: the package writes files without one. */
export function indexedFile(side: number): IndexedFile {
  const points = Array.from({ length: side * side }, (_, row) => {
    const block = Math.floor(row / 16);
    const perLine = side / 4;
    return { x: (block % perLine) * 4 + (row % 4), y: Math.floor(block / perLine) * 4 + Math.floor((row % 16) / 4) };
  });
  const plain = serialize({
    type: "FeatureCollection",
    features: points.map(({ x, y }, row) => ({
      type: "Feature",
      properties: { row, name: `point ${row}` },
      geometry: { type: "Point", coordinates: [x, y] },
    })),
  });
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const headerEnd = 12 + view.getUint32(8, true);
  setNodeSize(view);
  const offsets: number[] = [];
  for (let at = headerEnd; at < plain.length; at += 4 + view.getUint32(at, true)) offsets.push(at - headerEnd);
  const index = packedTree(points, offsets);
  const bytes = Buffer.concat([plain.subarray(0, headerEnd), index, plain.subarray(headerEnd)]);
  return { bytes: new Uint8Array(bytes), points, indexBytes: index.length };
}

/** Field 9 of the header, a number of two bytes. */
function setNodeSize(view: DataView): void {
  const table = 12 + view.getUint32(12, true);
  const vtable = table - view.getInt32(table, true);
  const offset = view.getUint16(vtable + 4 + 9 * 2, true);
  if (offset === 0) return;
  view.setUint16(table + offset, NODE_SIZE, true);
}

interface Node {
  readonly box: readonly [number, number, number, number];
  readonly offset: number;
}

function packedTree(points: IndexedFile["points"], offsets: readonly number[]): Buffer {
  const levels: Node[][] = [points.map(({ x, y }, row) => ({ box: [x, y, x, y], offset: offsets[row] ?? 0 }))];
  while ((levels[0]?.length ?? 0) > 1) {
    const below = levels[0] ?? [];
    const groups = Array.from({ length: Math.ceil(below.length / NODE_SIZE) }, (_, at) =>
      below.slice(at * NODE_SIZE, (at + 1) * NODE_SIZE),
    );
    levels.unshift(groups.map((group, at) => ({ box: around(group), offset: at * NODE_SIZE })));
  }
  let start = 0;
  const nodes = levels.flatMap((level, depth) => {
    start += level.length;
    // Above the leaves an offset is the number of the first child, counted from the root.
    return depth === levels.length - 1 ? level : level.map(({ box, offset }) => ({ box, offset: offset + start }));
  });
  const bytes = Buffer.alloc(nodes.length * NODE_BYTES);
  for (const [at, { box, offset }] of nodes.entries()) {
    for (const [index, edge] of box.entries()) bytes.writeDoubleLE(edge, at * NODE_BYTES + index * 8);
    bytes.writeBigUInt64LE(BigInt(offset), at * NODE_BYTES + 32);
  }
  return bytes;
}

function around(nodes: readonly Node[]): Node["box"] {
  const edge = (index: number, of: (...values: number[]) => number): number =>
    of(...nodes.map(({ box }) => box[index] ?? 0));
  return [edge(0, Math.min), edge(1, Math.min), edge(2, Math.max), edge(3, Math.max)];
}

import type { Box, BoxAxis } from "../strided.ts";

/** The part of a box that lies in one chunk. */
export interface GridCell {
  readonly chunk: readonly number[];
  /** For each axis: the first element within the chunk, and which elements of the box these are. */
  readonly axes: readonly {
    readonly from: number;
    readonly to: number;
    readonly count: number;
    readonly step: number;
  }[];
}

/** How many chunks a box touches. */
export function cellCount(box: Box, chunks: readonly number[]): number {
  return box.reduce((product, axis, i) => product * axisCells(axis, chunks[i] ?? 1), 1);
}

function axisCells({ start, step, count }: BoxAxis, length: number): number {
  if (count === 0) return 0;
  if (step >= length) return count;
  return Math.floor((start + (count - 1) * step) / length) - Math.floor(start / length) + 1;
}

/** The chunks that a box touches, in C order. */
export function* cellsOf(box: Box, chunks: readonly number[]): Generator<GridCell> {
  if (box.some(({ count }) => count === 0)) return;
  const walk = function* (axis: number, cell: GridCell): Generator<GridCell> {
    const each = box[axis];
    const length = chunks[axis] ?? 1;
    if (each === undefined) {
      yield cell;
      return;
    }
    for (let to = 0; to < each.count;) {
      const first = each.start + to * each.step;
      const chunk = Math.floor(first / length);
      const count = Math.min(each.count - to, Math.ceil(((chunk + 1) * length - first) / each.step));
      yield* walk(axis + 1, {
        chunk: [...cell.chunk, chunk],
        axes: [...cell.axes, { from: first - chunk * length, to, count, step: each.step }],
      });
      to += count;
    }
  };
  yield* walk(0, { chunk: [], axes: [] });
}

export interface GridLimits {
  /** Of the chunks that one part touches. */
  readonly touched: number;
  /** Of the elements of one part that cannot be divided along chunks. */
  readonly elements: number;
}

/**
 * The box in parts that follow each other in C order. They end where chunks end, so that no chunk is read for two parts,
 * unless one row of chunks alone holds more elements than a part may.
 */
export function* splitAlongChunks(
  box: Box,
  { chunks, limits }: { readonly chunks: readonly number[]; readonly limits: GridLimits },
): Generator<Box> {
  const touched = cellCount(box, chunks) * chunks.reduce((product, length) => product * length, 1);
  const axis = box.findIndex(({ count }) => count > 1);
  const along = box[axis];
  if (touched <= limits.touched || along === undefined) {
    yield box;
    return;
  }
  const length = chunks[axis] ?? 1;
  const rows = axisCells(along, length);
  const elements = box.reduce((product, { count }) => product * count, 1);
  if (rows === 1 && elements <= limits.elements) {
    yield box;
    return;
  }
  const perPart = Math.max(1, Math.floor((rows * limits.touched) / touched)) * length;
  const inside = Math.max(1, Math.floor((along.count * limits.elements) / elements));
  for (let done = 0; done < along.count;) {
    const start = along.start + done * along.step;
    const boundary = (Math.floor(start / length) * length + perPart - start) / along.step;
    const count = Math.min(along.count - done, rows === 1 ? inside : Math.max(1, Math.ceil(boundary)));
    yield* splitAlongChunks(box.with(axis, { ...along, start, count }), { chunks, limits });
    done += count;
  }
}

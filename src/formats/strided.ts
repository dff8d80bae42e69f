import type { ByteRange } from "../bytes/range.ts";
import type { AxisSlice } from "./array.ts";
import { sliceCount } from "./slice.ts";

/** Where the elements of an array lie, without chunks. */
export interface Layout {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly order: "C" | "F";
  readonly itemBytes: number;
}

/** The elements `start`, `start + step`, ... of one axis; `count` of them. */
export interface BoxAxis {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** A part of an array: some elements of every axis. Its C order is the order of the result. */
export type Box = readonly BoxAxis[];

export interface BoxLimits {
  /** Of the ranges of one box, together. */
  readonly bytes: number;
  readonly ranges: number;
}

/** Where a box lies in a file: ranges of one length at regular distances. */
interface Runs {
  readonly bytes: number;
  readonly start: number;
  /** From the slowest to the fastest. */
  readonly loops: readonly { readonly axis: number; readonly count: number; readonly stride: number }[];
}

export function boxOf(slices: readonly AxisSlice[]): Box {
  return slices.map((slice) => ({
    start: slice.kind === "index" ? slice.at : slice.start,
    step: slice.kind === "index" ? 1 : slice.step,
    count: sliceCount(slice),
  }));
}

export function boxElements(box: Box): number {
  return box.reduce((product, axis) => product * axis.count, 1);
}

/** How many ranges `boxRanges` would give, and their bytes. */
export function boxCost(box: Box, reading: { readonly layout: Layout; readonly gap: number }): BoxLimits {
  if (boxElements(box) === 0) return { ranges: 0, bytes: 0 };
  const runs = runsOf(box, reading);
  const ranges = runs.loops.reduce((product, loop) => product * loop.count, 1);
  return { ranges, bytes: ranges * runs.bytes };
}

/** The ranges that hold the box, in order of offset; elements that are at most `gap` bytes apart share one. */
export function boxRanges(box: Box, reading: { readonly layout: Layout; readonly gap: number }): readonly ByteRange[] {
  if (boxElements(box) === 0) return [];
  const { loops, start, bytes } = runsOf(box, reading);
  let starts = [start];
  for (const loop of loops) {
    starts = starts.flatMap((at) => Array.from({ length: loop.count }, (_, i) => at + i * loop.stride));
  }
  return starts.map((at) => ({ start: at, end: at + bytes }));
}

/** The box in parts that follow each other in C order and stay within the limits, where an element does. */
export function* splitBox(
  box: Box,
  options: { readonly layout: Layout; readonly gap: number; readonly limits: BoxLimits },
): Generator<Box> {
  const { bytes, ranges } = boxCost(box, options);
  const parts = Math.ceil(Math.max(bytes / options.limits.bytes, ranges / options.limits.ranges));
  const axis = box.findIndex((each) => each.count > 1);
  const along = box[axis];
  if (parts <= 1 || along === undefined) {
    yield box;
    return;
  }
  const size = Math.ceil(along.count / Math.min(parts, along.count));
  for (let done = 0; done < along.count; done += size) {
    const count = Math.min(size, along.count - done);
    yield* splitBox(box.with(axis, { ...along, start: along.start + done * along.step, count }), options);
  }
}

/** The elements of the box in C order, from the bytes of its ranges. What is one piece in that order already is not copied. */
export function gatherBox(
  box: Box,
  reading: { readonly layout: Layout; readonly gap: number; readonly pieces: readonly Uint8Array[] },
): Uint8Array {
  const { layout, pieces } = reading;
  const out = boxElements(box) * layout.itemBytes;
  if (out === 0) return new Uint8Array();
  const runs = runsOf(box, reading);
  const strides = stridesOf(layout);
  const pieceSteps = pieceStepsOf(runs);
  let segment = layout.itemBytes;
  let inner = box.length;
  while (inner > 0) {
    const axis = box[inner - 1];
    const isRun = axis !== undefined && !pieceSteps.has(inner - 1);
    if (!isRun || (axis.count > 1 && axis.step * (strides[inner - 1] ?? 0) !== segment)) break;
    segment *= axis.count;
    inner -= 1;
  }
  const [first] = pieces;
  if (inner === 0 && first?.length === out) return first;
  const data = new Uint8Array(out);
  copyAxes(data, {
    axes: box.slice(0, inner).map(({ count, step }, axis) => ({
      count,
      pieces: pieceSteps.get(axis) ?? 0,
      bytes: pieceSteps.has(axis) ? 0 : step * (strides[axis] ?? 0),
    })),
    segment,
    pieces,
  });
  return data;
}

interface CopyJob {
  readonly axes: readonly { readonly count: number; readonly pieces: number; readonly bytes: number }[];
  readonly segment: number;
  readonly pieces: readonly Uint8Array[];
}

function copyAxes(data: Uint8Array, { axes, segment, pieces }: CopyJob): void {
  const nothing = new Uint8Array();
  const last = axes.length - 1;
  let to = 0;
  const copy = (axis: number, at: { readonly piece: number; readonly byte: number }): void => {
    const loop = axes[axis] ?? { count: 1, pieces: 0, bytes: 0 };
    const next = axes[axis + 1];
    if (axis >= last) {
      for (let i = 0; i < loop.count; i += 1, to += segment) {
        const piece = pieces[at.piece + i * loop.pieces] ?? nothing;
        copyBytes(piece, at.byte + i * loop.bytes, { data, to, length: segment });
      }
      return;
    }
    if (axis === last - 1 && next !== undefined && next.pieces > 0 && loop.pieces === 0) {
      // Piece by piece, as each is in the processor's cache then: the order of what is written matters less.
      const row = next.count * segment;
      for (let j = 0; j < next.count; j += 1) {
        const piece = pieces[at.piece + j * next.pieces] ?? nothing;
        for (
          let i = 0, from = at.byte, into = to + j * segment;
          i < loop.count;
          i += 1, from += loop.bytes, into += row
        ) {
          copyBytes(piece, from, { data, to: into, length: segment });
        }
      }
      to += loop.count * row;
      return;
    }
    for (let i = 0; i < loop.count; i += 1) {
      copy(axis + 1, { piece: at.piece + i * loop.pieces, byte: at.byte + i * loop.bytes });
    }
  };
  copy(0, { piece: 0, byte: 0 });
}

/** Below this a loop is faster than a view of the bytes. */
const SMALL_BYTES = 32;

function copyBytes(
  from: Uint8Array,
  start: number,
  { data, to, length }: { readonly data: Uint8Array; readonly to: number; readonly length: number },
): void {
  if (length > SMALL_BYTES) data.set(from.subarray(start, start + length), to);
  else for (let i = 0; i < length; i += 1) data[to + i] = from[start + i] ?? 0;
}

/** How many pieces lie between one element of an axis and the next, for the axes that ranges are repeated along. */
function pieceStepsOf({ loops }: Runs): ReadonlyMap<number, number> {
  const steps = new Map<number, number>();
  let pieces = 1;
  for (const loop of loops.toReversed()) {
    steps.set(loop.axis, pieces);
    pieces *= loop.count;
  }
  return steps;
}

function stridesOf({ shape, order, itemBytes }: Layout): readonly number[] {
  const strides = Array.from(shape, () => 0);
  let bytes = itemBytes;
  for (const axis of storageOrder(shape.length, order).toReversed()) {
    strides[axis] = bytes;
    bytes *= shape[axis] ?? 0;
  }
  return strides;
}

/** Axes from the slowest to the fastest. */
function storageOrder(axes: number, order: "C" | "F"): readonly number[] {
  const forward = Array.from({ length: axes }, (_, axis) => axis);
  return order === "C" ? forward : forward.toReversed();
}

function runsOf(box: Box, { layout, gap }: { readonly layout: Layout; readonly gap: number }): Runs {
  const strides = stridesOf(layout);
  const loops: { axis: number; count: number; stride: number }[] = [];
  let bytes = layout.itemBytes;
  let start = layout.offset;
  for (const axis of storageOrder(box.length, layout.order).toReversed()) {
    const { start: first, step, count } = box[axis] ?? { start: 0, step: 1, count: 1 };
    const stride = step * (strides[axis] ?? 0);
    start += first * (strides[axis] ?? 0);
    if (count === 1) continue;
    if (loops.length === 0 && stride - bytes <= gap) bytes += (count - 1) * stride;
    else loops.unshift({ axis, count, stride });
  }
  return { bytes, start, loops };
}

import type { Fill } from "./fill.ts";

/** Elements of an array: little-endian bytes, or texts. Strides count elements, one for each axis. */
export interface Elements {
  readonly data: Uint8Array;
  readonly itemBytes: number;
  readonly texts?: (string | null)[];
  readonly strides: readonly number[];
}

/** One axis of what is copied: elements `from`, `from + step`, ... go to `to`, `to + 1`, ... */
export interface CopiedAxis {
  readonly from: number;
  readonly step: number;
  readonly to: number;
  readonly count: number;
}

export function cStrides(shape: readonly number[]): readonly number[] {
  const strides = Array.from(shape, () => 1);
  for (let axis = shape.length - 2; axis >= 0; axis -= 1)
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return strides;
}

/** An array of fill values in C order. */
export function filledElements(shape: readonly number[], fill: Fill): Elements {
  const count = shape.reduce((product, length) => product * length, 1);
  const strides = cStrides(shape);
  if (typeof fill === "string") {
    return { data: new Uint8Array(), itemBytes: 0, texts: Array.from({ length: count }, () => fill), strides };
  }
  const data = Buffer.alloc(count * fill.length);
  if (fill.some((byte) => byte !== 0)) data.fill(fill);
  return { data, itemBytes: fill.length, strides };
}

/** Copies a box of elements; runs along the last axis are copied as one where they lie together. */
export function copyElements(
  from: Elements,
  { to, axes }: { readonly to: Elements; readonly axes: readonly CopiedAxis[] },
): void {
  const last = axes.length - 1;
  const copy = (axis: number, at: { readonly source: number; readonly target: number }): void => {
    const each = axes[axis];
    if (each === undefined) {
      copyRun({ from, to }, { ...at, count: 1, sourceStep: 1, targetStep: 1 });
      return;
    }
    const sourceStep = each.step * (from.strides[axis] ?? 0);
    const targetStep = to.strides[axis] ?? 0;
    const source = at.source + each.from * (from.strides[axis] ?? 0);
    const target = at.target + each.to * targetStep;
    if (axis === last) {
      copyRun({ from, to }, { source, target, count: each.count, sourceStep, targetStep });
      return;
    }
    for (let i = 0; i < each.count; i += 1)
      copy(axis + 1, { source: source + i * sourceStep, target: target + i * targetStep });
  };
  copy(0, { source: 0, target: 0 });
}

interface Run {
  readonly source: number;
  readonly target: number;
  readonly count: number;
  readonly sourceStep: number;
  readonly targetStep: number;
}

function copyRun({ from, to }: { readonly from: Elements; readonly to: Elements }, run: Run): void {
  const { source, target, count, sourceStep, targetStep } = run;
  if (to.texts !== undefined) {
    for (let i = 0; i < count; i += 1)
      to.texts[target + i * targetStep] = from.texts?.[source + i * sourceStep] ?? null;
    return;
  }
  const { itemBytes } = to;
  if (sourceStep === 1 && targetStep === 1) {
    to.data.set(from.data.subarray(source * itemBytes, (source + count) * itemBytes), target * itemBytes);
    return;
  }
  for (let i = 0; i < count; i += 1) {
    const read = (source + i * sourceStep) * itemBytes;
    const write = (target + i * targetStep) * itemBytes;
    for (let byte = 0; byte < itemBytes; byte += 1) to.data[write + byte] = from.data[read + byte] ?? 0;
  }
}

import { RiffleError } from "../errors.ts";
import type { AxisSlice } from "./array.ts";

/** What a slice is taken of; `name` is only used in messages. */
export interface SliceTarget {
  readonly name?: string;
  readonly shape: readonly number[];
}

/**
 * One `AxisSlice` for each axis of `shape`, from the text of NumPy's basic slicing: `"0:10,:,5"`, negative bounds, positive
 * steps, one ellipsis; brackets around it are allowed. Bounds of ranges are clipped and an index outside is an error, as in
 * NumPy. Rejects what is no such text, and steps below 1, with `usage`.
 */
export function parseSlice(text: string | undefined, target: SliceTarget): readonly AxisSlice[] {
  const { shape } = target;
  const parts = splitParts(text ?? "", target);
  const ellipsis = parts.indexOf("...");
  if (ellipsis !== parts.lastIndexOf("...")) throw refusal("has more than one ellipsis", text, target);
  const given = ellipsis < 0 ? parts.length : parts.length - 1;
  if (given > shape.length) {
    throw refusal(`has ${given} ${given === 1 ? "axis" : "axes"}, the array has ${shape.length}`, text, target);
  }
  const whole = Array.from({ length: shape.length - given }, () => ":");
  const full =
    ellipsis < 0 ? [...parts, ...whole] : [...parts.slice(0, ellipsis), ...whole, ...parts.slice(ellipsis + 1)];
  return full.map((part, axis) => parseAxis(part, { axis, length: shape[axis] ?? 0, target, text: text ?? "" }));
}

/** How many elements a slice takes of its axis. */
export function sliceCount(slice: AxisSlice): number {
  return slice.kind === "index" ? 1 : Math.max(0, Math.ceil((slice.end - slice.start) / slice.step));
}

/** The shape of the result: axes that an index took away are gone. */
export function slicedShape(slices: readonly AxisSlice[]): readonly number[] {
  return slices.filter((slice) => slice.kind === "range").map(sliceCount);
}

interface Axis {
  readonly axis: number;
  readonly length: number;
  readonly target: SliceTarget;
  readonly text: string;
}

function splitParts(text: string, target: SliceTarget): readonly string[] {
  const trimmed = text.trim();
  const inner = trimmed.startsWith("[") && trimmed.endsWith("]") ? trimmed.slice(1, -1).trim() : trimmed;
  if (inner === "") return [];
  const parts = inner.split(",").map((part) => part.trim());
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  if (parts.includes("")) throw refusal("has an axis without text", text, target);
  return parts;
}

function parseAxis(part: string, at: Axis): AxisSlice {
  const pieces = part.split(":").map((piece) => piece.trim());
  const bad = pieces.length > 3 || pieces.some((piece) => piece !== "" && !/^[+-]?\d+$/.test(piece));
  if (bad) throw refusal(`has "${part}", which is neither an index nor a range start:stop:step`, at.text, at.target);
  const [start = "", stop = "", step = ""] = pieces;
  if (pieces.length === 1) {
    const index = Number(start);
    const resolved = index < 0 ? index + at.length : index;
    if (resolved < 0 || resolved >= at.length) {
      throw refusal(`asks for index ${start} of axis ${at.axis}, which has ${at.length} elements`, at.text, at.target);
    }
    return { kind: "index", at: resolved };
  }
  const stride = step === "" ? 1 : Number(step);
  if (stride < 1) throw refusal(`has step ${step} on axis ${at.axis}: steps are 1 or more`, at.text, at.target);
  const from = start === "" ? 0 : clipBound(Number(start), at.length);
  const to = stop === "" ? at.length : clipBound(Number(stop), at.length);
  return { kind: "range", start: from, end: Math.max(from, to), step: Math.min(stride, Math.max(1, at.length)) };
}

function clipBound(bound: number, length: number): number {
  return Math.min(length, Math.max(0, bound < 0 ? bound + length : bound));
}

function refusal(problem: string, text: string | undefined, { name, shape }: SliceTarget): RiffleError {
  const of = name === undefined || name === "" ? "" : ` of ${name}`;
  return new RiffleError("usage", `slice "${text ?? ""}"${of} ${problem} (shape [${shape.join(", ")}])`);
}

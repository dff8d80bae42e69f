import { RiffleError } from "../../errors.ts";
import type { ByteRange } from "../../bytes/range.ts";
import type { Layout } from "./field.ts";
import type { IndexBytes } from "./index-bytes.ts";
import type { Level } from "./pyramid.ts";
import { hasPlainRows, type UnitForm } from "./unit-decode.ts";
import type { TiffImage } from "./image.ts";
import { LEADER_BYTES } from "./extents.ts";
import { readUnits, tableRanges, unitCount, type Units, type UnitSpan } from "./units.ts";
import { sourceColumn, sourceRow, type View } from "./view.ts";

/** Where samples of a unit go. */
export interface Target {
  /** Among the samples of a pixel in the unit. */
  readonly sample: number;
  /** Number of the result's band, or the mask. */
  readonly band: number | "mask" | "alpha";
}

/** Rows of one unit, and which of the result's columns show it. */
export interface Piece {
  readonly form: UnitForm;
  /** Undefined for a sparse unit: nothing is read, and it is empty. */
  readonly range: ByteRange | undefined;
  /** Whether `range` begins with the unit's leader, which says how long it is. */
  readonly hasLeader: boolean;
  /** Of the unit: those that `range` decodes to. */
  readonly firstRow: number;
  readonly rows: number;
  /** Of the level: where the unit begins. */
  readonly x: number;
  readonly y: number;
  readonly columnFrom: number;
  readonly columnTo: number;
  readonly targets: readonly Target[];
}

/** Rows of the result that lie in one row of units. */
export interface Strip {
  readonly from: number;
  readonly to: number;
  readonly unitRow: number;
  /** Whether the next strip lies in the same row of units. */
  readonly continues: boolean;
  readonly pieces: readonly Piece[];
}

/** All that a view reads, strip after strip; made as it is walked, since a raster may have billions of rows. */
export interface ViewPlan {
  strips(): Iterable<Strip>;
  /** Units of the level and its mask, and those that the view meets. */
  readonly unitsTotal: number;
  readonly unitsKept: number;
}

export interface PlanInput {
  readonly index: IndexBytes;
  readonly layout: Layout;
  readonly level: Level;
  readonly view: View;
  /** `Ghost.packed`. */
  readonly packed: boolean;
  /** The band that is the mask, from 0. */
  readonly alpha: number | undefined;
  /** Of the samples of one strip of the result. */
  readonly maxStripBytes: number;
}

interface Layer {
  readonly form: UnitForm;
  /** One for each plane of units that is read: for bands together, one. */
  readonly planes: readonly { readonly plane: number; readonly targets: readonly Target[] }[];
  readonly columns: readonly { readonly unit: number; readonly from: number; readonly to: number }[];
}

/** Units that one query may touch: their places alone take 16 bytes each. */
const MAX_QUERY_UNITS = 8_000_000;

/** Reads the tables of places that the view needs, in one call. Throws `malformed` when the file is too short for them. */
export async function planView(input: PlanInput): Promise<ViewPlan> {
  const { index, layout, level, view } = input;
  const layers = [layerOf(level.form, { view, targets: bandTargets(input) })];
  if (level.mask !== undefined) layers.push(layerOf(level.mask, { view, targets: [{ sample: 0, band: "mask" }] }));
  const kept = layers.reduce((sum, layer) => sum + metUnits(layer, view), 0);
  if (kept > MAX_QUERY_UNITS) {
    throw new RiffleError("unsupported", `the query meets ${kept} tiles or strips, more than ${MAX_QUERY_UNITS}`, {
      hint: "ask for a smaller window",
    });
  }
  const spans = layers.map((layer) => spansOf(layer, view));
  const reads = layers.map((layer, i) => {
    const { image } = layer.form;
    return { layer, table: { image, layout, spans: spans[i] ?? [], packed: input.packed } };
  });
  await index.load(reads.flatMap(({ table }) => tableRanges(table)));
  const located: LocatedLayer[] = [];
  for (const { layer, table } of reads) located.push({ ...layer, units: await readUnits(index, table) });
  const total = layers.reduce((sum, { form: { image } }) => sum + image.across * image.down * planeCount(image), 0);
  return { strips: () => stripsOf(input, located), unitsTotal: total, unitsKept: kept };
}

interface LocatedLayer extends Layer {
  readonly units: readonly Units[];
}

function planeCount(image: TiffImage): number {
  return image.planar === 2 ? image.samples : 1;
}

function bandTargets({ view, alpha }: PlanInput): readonly Target[] {
  const wanted = view.bands.map((sample, band): Target => ({ sample, band }));
  return alpha === undefined ? wanted : [...wanted, { sample: alpha, band: "alpha" }];
}

function layerOf(form: UnitForm, wanted: { readonly view: View; readonly targets: readonly Target[] }): Layer {
  const { image } = form;
  const { view, targets } = wanted;
  const samples = [...new Set(targets.map(({ sample }) => sample))].sort((a, b) => a - b);
  const planes =
    image.planar === 2
      ? samples.map((plane) => ({
          plane,
          targets: targets.filter(({ sample }) => sample === plane).map((target) => ({ ...target, sample: 0 })),
        }))
      : [{ plane: 0, targets }];
  const columns: { unit: number; from: number; to: number }[] = [];
  for (let from = 0; from < view.width;) {
    const unit = Math.floor(sourceColumn(view, from) / image.unitWidth);
    const to = firstFrom(
      { from, to: view.width },
      (column) => sourceColumn(view, column) >= (unit + 1) * image.unitWidth,
    );
    columns.push({ unit, from, to });
    if (columns.length > MAX_QUERY_UNITS) break;
    from = to;
  }
  return { form, planes, columns };
}

/** The first number in a range that `isAfter`, which stays true once it is; `range.to` when none is. */
function firstFrom(range: UnitSpan, isAfter: (value: number) => boolean): number {
  let { from, to } = range;
  while (from < to) {
    const middle = from + Math.floor((to - from) / 2);
    if (isAfter(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** Rows of units that the view meets, and which rows of the result lie in each. */
function* unitRows(
  view: View,
  unitHeight: number,
): Generator<{ readonly unit: number; readonly from: number; readonly to: number }> {
  for (let from = 0; from < view.height;) {
    const unit = Math.floor(sourceRow(view, from) / unitHeight);
    const to = view.exact
      ? Math.min(view.height, (unit + 1) * unitHeight - view.window.y)
      : firstFrom({ from, to: view.height }, (row) => sourceRow(view, row) >= (unit + 1) * unitHeight);
    yield { unit, from, to };
    from = to;
  }
}

function metUnits({ form: { image }, planes, columns }: Layer, view: View): number {
  const first = Math.floor(sourceRow(view, 0) / image.unitHeight);
  const last = Math.floor(sourceRow(view, view.height - 1) / image.unitHeight);
  return columns.length * planes.length * Math.min(view.height, last - first + 1);
}

/** Numbers of the units that are met, those of one plane in order; what touches is one span. */
function spansOf({ form: { image }, planes, columns }: Layer, view: View): readonly UnitSpan[] {
  const first = columns[0]?.unit ?? 0;
  const last = columns.at(-1)?.unit ?? 0;
  const spans: { from: number; to: number }[] = [];
  for (const { plane } of planes) {
    for (const { unit } of unitRows(view, image.unitHeight)) {
      const row = (plane * image.down + unit) * image.across;
      const open = spans.at(-1);
      if (open !== undefined && open.to === row + first) open.to = row + last + 1;
      else spans.push({ from: row + first, to: row + last + 1 });
    }
  }
  return spans;
}

function* stripsOf(input: PlanInput, layers: readonly LocatedLayer[]): Generator<Strip> {
  const { view, level, maxStripBytes } = input;
  const rowBytes = view.width * (view.bands.length * level.form.type.bytes + 1);
  const most = Math.max(1, Math.floor(maxStripBytes / rowBytes));
  for (const { unit, from, to } of unitRows(view, level.form.image.unitHeight)) {
    for (let row = from; row < to; row += most) {
      const end = Math.min(to, row + most);
      const pieces = layers.flatMap((layer) => piecesOf(layer, { input, from: row, to: end }));
      yield { from: row, to: end, unitRow: unit, continues: end < to, pieces };
    }
  }
}

interface StripRows {
  readonly input: PlanInput;
  readonly from: number;
  readonly to: number;
}

/** A mask may be cut in other units than its image: then several of its rows lie in one strip. */
function piecesOf(layer: LocatedLayer, { input, from, to }: StripRows): readonly Piece[] {
  const { form, planes, columns } = layer;
  const { image } = form;
  const { view, index } = input;
  const firstUnit = Math.floor(sourceRow(view, from) / image.unitHeight);
  const lastUnit = Math.floor(sourceRow(view, to - 1) / image.unitHeight);
  const pieces: Piece[] = [];
  for (let row = firstUnit; row <= lastUnit; row += 1) {
    const y = row * image.unitHeight;
    const stored = image.tiled ? image.unitHeight : Math.min(image.unitHeight, image.height - y);
    const needed = {
      from: Math.max(0, sourceRow(view, from) - y),
      to: Math.min(stored, sourceRow(view, to - 1) - y + 1),
    };
    const rows = hasPlainRows(image) ? needed : { from: 0, to: stored };
    for (const { plane, targets } of planes) {
      for (const column of columns) {
        const unit = (plane * image.down + row) * image.across + column.unit;
        const found = rangeOf(layer, { unit, rows, stored, size: index.source.size });
        const place = { x: column.unit * image.unitWidth, y, columnFrom: column.from, columnTo: column.to };
        pieces.push({ form, ...found, firstRow: rows.from, rows: rows.to - rows.from, ...place, targets });
      }
    }
  }
  return pieces;
}

interface UnitRowsWanted {
  readonly unit: number;
  readonly rows: UnitSpan;
  readonly stored: number;
  readonly size: number;
}

function rangeOf({ form, units }: LocatedLayer, wanted: UnitRowsWanted): Pick<Piece, "range" | "hasLeader"> {
  const { unit, rows, stored, size } = wanted;
  const { image, rowBytes } = form;
  const table = units[firstFrom({ from: 0, to: units.length }, (i) => (units[i]?.to ?? 0) > unit)];
  if (table === undefined || unit < table.from) throw new RiffleError("internal", `unit ${unit} was not planned`);
  const offset = table.offsets[unit - table.from] ?? 0;
  const isPlain = hasPlainRows(image);
  const length =
    (table.lengths[unit - table.from] ?? 0) || (image.counts === undefined && isPlain ? rowBytes * stored : 0);
  if (image.counts === undefined && !isPlain) {
    throw new RiffleError("malformed", `the TIFF does not say how long its ${image.tiled ? "tiles" : "strips"} are`);
  }
  if (unit >= unitCount(image)) {
    throw new RiffleError("malformed", `the TIFF gives no place for ${image.tiled ? "tile" : "strip"} ${unit}`);
  }
  if (offset === 0 || length === 0) return { range: undefined, hasLeader: false };
  const hasLeader = table.byPlaces && !isPlain;
  const range = isPlain
    ? { start: offset + rows.from * rowBytes, end: offset + rows.to * rowBytes }
    : { start: Math.max(0, offset - (hasLeader ? LEADER_BYTES : 0)), end: offset + length };
  if (!(range.end <= size) || (isPlain && length < rowBytes * rows.to)) {
    throw new RiffleError("malformed", `${image.tiled ? "tile" : "strip"} ${unit} of the TIFF is not whole`, {
      facts: { unit, offset, length, size },
    });
  }
  return { range, hasLeader };
}

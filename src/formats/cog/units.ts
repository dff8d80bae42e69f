import { RiffleError } from "../../errors.ts";
import type { ByteRange } from "../../bytes/range.ts";
import { numbersOf, typeWidth, type Field, type Layout } from "./field.ts";
import type { TiffImage } from "./image.ts";
import type { IndexBytes } from "./index-bytes.ts";

/** Numbers of units: `from <= unit < to`. */
export interface UnitSpan {
  readonly from: number;
  readonly to: number;
}

/** Places of the units of one span, in their order. A unit whose offset or length is 0 is sparse. */
export interface Units extends UnitSpan {
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
  /** Whether lengths are those that places tell: each unit's leader proves its own. */
  readonly byPlaces: boolean;
}

/** Tables up to this size are read whole: later queries then need no index at all. */
const WHOLE_TABLE_BYTES = 64 * 1024;

/** How many units the file gives a place for. */
export function unitCount(image: TiffImage): number {
  return image.offsets?.count ?? 0;
}

export interface TableReading {
  readonly image: TiffImage;
  readonly layout: Layout;
  readonly spans: readonly UnitSpan[];
  /** Whether places alone tell lengths (`Ghost.packed`): then a large table of lengths need not be read. */
  readonly packed?: boolean;
}

/**
 * Reads what the spans need of both tables in one call. Units behind a table's end are sparse. Throws `malformed` when the
 * file is too short for its tables.
 */
export async function readUnits(index: IndexBytes, options: TableReading): Promise<readonly Units[]> {
  const { image, layout, spans } = options;
  await index.load(tableRanges(options));
  const units: Units[] = [];
  for (const span of spans) {
    const guessed = options.packed === true ? lengthsByPlaces(index, { image, layout, span }) : undefined;
    // a neighbour without bytes, or out of order, tells nothing: the table does
    if (guessed === undefined) await index.load(tableRanges({ image, layout, spans: [span] }));
    const offsets = heldNumbers(index, { field: image.offsets, layout, span });
    const lengths = guessed ?? heldNumbers(index, { field: image.counts, layout, span });
    if (offsets === undefined || lengths === undefined) {
      throw new RiffleError("malformed", "a table of the TIFF's tiles or strips lies behind the end of the file");
    }
    units.push({ from: span.from, to: span.to, offsets, lengths, byPlaces: guessed !== undefined });
  }
  return units;
}

/** Leader of the next tile, and trailer of this one. */
const BETWEEN_BYTES = 8;

/** Lengths as the distance to the next tile; undefined when the table of lengths is small or was read, or when some are not told. */
function lengthsByPlaces(
  index: IndexBytes,
  { image, layout, span }: { readonly image: TiffImage; readonly layout: Layout; readonly span: UnitSpan },
): Float64Array | undefined {
  if (!isByPlaces(image, span) || heldNumbers(index, { field: image.counts, layout, span }) !== undefined)
    return undefined;
  const places = heldNumbers(index, { field: image.offsets, layout, span: { from: span.from, to: span.to + 1 } });
  if (places === undefined) return undefined;
  const lengths = new Float64Array(span.to - span.from);
  for (let i = 0; i < lengths.length; i += 1) {
    const here = places[i] ?? 0;
    const length = (places[i + 1] ?? 0) - here - BETWEEN_BYTES;
    if (here !== 0 && length <= 0) return undefined;
    lengths[i] = here === 0 ? 0 : length;
  }
  return lengths;
}

/** The last tile has no next one. */
function isByPlaces({ offsets, counts }: TiffImage, span: UnitSpan): boolean {
  return (counts?.bytes ?? 0) > WHOLE_TABLE_BYTES && span.to < (offsets?.count ?? 0);
}

/** All places of an image, without I/O: undefined when one of its tables was not read. */
export function heldPlaces(
  index: IndexBytes,
  options: { readonly image: TiffImage; readonly layout: Layout },
): Units | undefined {
  const { image, layout } = options;
  const span = { from: 0, to: unitCount(image) };
  const offsets = heldNumbers(index, { field: image.offsets, layout, span });
  const lengths = offsets && heldNumbers(index, { field: image.counts, layout, span });
  return offsets && lengths && { ...span, offsets, lengths, byPlaces: false };
}

interface HeldPart {
  readonly field: Field | undefined;
  readonly layout: Layout;
  readonly span: UnitSpan;
}

function heldNumbers(index: IndexBytes, { field, layout, span }: HeldPart): Float64Array | undefined {
  const count = Math.min(span.to, field?.count ?? 0) - span.from;
  if (field === undefined || count <= 0) return new Float64Array(span.to - span.from);
  const width = typeWidth(field.type) ?? 1;
  const start = field.at + span.from * width;
  const bytes = index.view({ start, end: start + count * width });
  if (bytes === undefined) return undefined;
  // only now is the count known to be no lie
  const values = new Float64Array(span.to - span.from);
  values.set(numbersOf(bytes, { type: field.type, layout }));
  return values;
}

/** What `readUnits` will ask for: several images' tables are brought by one call before it. */
export function tableRanges({ image, spans, packed }: TableReading): readonly ByteRange[] {
  const { offsets, counts } = image;
  return spans.flatMap((span) => {
    const alone = packed === true && isByPlaces(image, span);
    const wanted = alone ? { from: span.from, to: span.to + 1 } : span;
    return [
      ...(offsets === undefined ? [] : [partOf(offsets, wanted)]),
      ...(counts === undefined || alone ? [] : [partOf(counts, span)]),
    ];
  });
}

function partOf(field: Field, span: UnitSpan): ByteRange {
  if (field.bytes <= WHOLE_TABLE_BYTES) return { start: field.at, end: field.at + field.bytes };
  const width = typeWidth(field.type) ?? 1;
  const from = Math.min(span.from, field.count);
  return { start: field.at + from * width, end: field.at + Math.min(span.to, field.count) * width };
}

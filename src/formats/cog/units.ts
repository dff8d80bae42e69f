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
}

/** Tables up to this size are read whole: later queries then need no index at all. */
const WHOLE_TABLE_BYTES = 64 * 1024;

/** How many units the file gives a place for. */
export function unitCount(image: TiffImage): number {
  return image.offsets?.count ?? 0;
}

/**
 * Reads what the spans need of both tables in one call. Units behind a table's end are sparse. Throws `malformed` when the
 * file is too short for its tables.
 */
export async function readUnits(
  index: IndexBytes,
  options: { readonly image: TiffImage; readonly layout: Layout; readonly spans: readonly UnitSpan[] },
): Promise<readonly Units[]> {
  const { image, layout, spans } = options;
  await index.load(tableRanges(image, spans));
  return spans.map((span) => {
    const offsets = heldNumbers(index, { field: image.offsets, layout, span });
    const lengths = heldNumbers(index, { field: image.counts, layout, span });
    if (offsets !== undefined && lengths !== undefined) return { from: span.from, to: span.to, offsets, lengths };
    throw new RiffleError("malformed", "a table of the TIFF's tiles or strips lies behind the end of the file");
  });
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
  return offsets && lengths && { ...span, offsets, lengths };
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
export function tableRanges(image: TiffImage, spans: readonly UnitSpan[]): readonly ByteRange[] {
  const tables = [image.offsets, image.counts].flatMap((field) => field ?? []);
  return tables.flatMap((field) => spans.map((span) => partOf(field, span)));
}

function partOf(field: Field, span: UnitSpan): ByteRange {
  if (field.bytes <= WHOLE_TABLE_BYTES) return { start: field.at, end: field.at + field.bytes };
  const width = typeWidth(field.type) ?? 1;
  const from = Math.min(span.from, field.count);
  return { start: field.at + from * width, end: field.at + Math.min(span.to, field.count) * width };
}

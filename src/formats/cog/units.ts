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
  const tables = [image.offsets, image.counts].flatMap((field) => field ?? []);
  await index.load(tables.flatMap((field) => spans.map((span) => partOf(field, span))));
  const numbers = (field: Field | undefined, span: UnitSpan): Float64Array => {
    const values = new Float64Array(span.to - span.from);
    if (field === undefined || span.from >= field.count) return values;
    const width = typeWidth(field.type) ?? 1;
    const part = { start: field.at + span.from * width, end: field.at + Math.min(span.to, field.count) * width };
    const bytes = index.view(part);
    if (bytes === undefined) {
      throw new RiffleError("malformed", "the TIFF's table of tiles or strips lies behind the end of the file", {
        facts: { at: part.start, size: index.source.size },
      });
    }
    values.set(numbersOf(bytes, { type: field.type, layout }));
    return values;
  };
  return spans.map((span) => ({
    from: span.from,
    to: span.to,
    offsets: numbers(image.offsets, span),
    lengths: numbers(image.counts, span),
  }));
}

function partOf(field: Field, span: UnitSpan): ByteRange {
  if (field.bytes <= WHOLE_TABLE_BYTES) return { start: field.at, end: field.at + field.bytes };
  const width = typeWidth(field.type) ?? 1;
  const from = Math.min(span.from, field.count);
  return { start: field.at + from * width, end: field.at + Math.min(span.to, field.count) * width };
}

import { DataType, type Data, type Field, type Vector } from "apache-arrow";
import { rangeLength, type ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import { bodyRange } from "./batches.ts";
import { decompressor } from "./decompress.ts";
import type { Block } from "./footer.ts";
import { columnParts, type ColumnParts } from "./layout.ts";
import { loadColumn } from "./load-data.ts";
import type { BatchHeader } from "./message.ts";

/** The columns of one batch that are wanted. */
export interface ColumnsOfBatch {
  readonly block: Block;
  readonly header: BatchHeader;
  readonly fields: readonly Field[];
  readonly parts: readonly ColumnParts[];
}

/** `needed` are places among the fields of the schema. */
export function columnsOfBatch(
  fields: readonly Field[],
  { block, header, needed }: { block: Block; header: BatchHeader; needed: readonly number[] },
): ColumnsOfBatch {
  const all = columnParts(fields, header);
  const chosen = needed.flatMap((index) => {
    const [field, parts] = [fields[index], all[index]];
    return field === undefined || parts === undefined ? [] : [{ field, parts }];
  });
  return { block, header, fields: chosen.map(({ field }) => field), parts: chosen.map(({ parts }) => parts) };
}

/** Ranges in the file of the buffers of each column, in order. */
export function bufferRanges({ block, header, parts }: ColumnsOfBatch): readonly (readonly ByteRange[])[] {
  const { start } = bodyRange(block);
  return parts.map(({ buffers }) =>
    header.buffers
      .slice(buffers.start, buffers.end)
      .map((range) => ({ start: start + range.start, end: start + range.end })),
  );
}

/** Bytes that the wanted columns take in the file. */
export function columnBytes(columns: ColumnsOfBatch): number {
  return bufferRanges(columns)
    .flat()
    .reduce((sum, range) => sum + rangeLength(range), 0);
}

export interface LoadOptions {
  /** Of the columns in order, one after the other, as `bufferRanges` gives them. */
  readonly buffers: readonly Uint8Array[];
  readonly dictionaries: ReadonlyMap<number, Vector>;
  readonly maxBytes: number;
}

/** Throws `malformed` naming the column. */
export async function loadColumns(
  { header, fields, parts }: ColumnsOfBatch,
  { buffers, dictionaries, maxBytes }: LoadOptions,
): Promise<readonly Data[]> {
  const decompress = await decompressor({ codec: header.codec, maxBytes });
  let at = 0;
  return fields.map((field, index) => {
    const part = parts[index];
    if (part === undefined) throw new RiffleError("internal", "a column without its parts");
    const own = buffers.slice(at, (at += rangeLength(part.buffers))).map(decompress);
    const data = loadColumn(field, {
      nodes: header.nodes.slice(part.nodes.start, part.nodes.end),
      buffers: own,
      variadic: header.variadic.slice(part.variadic.start, part.variadic.end),
      hasUnionValidity: header.hasUnionValidity,
      dictionaries,
    });
    if (data.length === header.rows) return data;
    throw new RiffleError(
      "malformed",
      `column ${JSON.stringify(field.name)} has ${data.length} rows of ${header.rows}`,
    );
  });
}

/** The numbers of the dictionaries that values of these types are looked up in, those of their own values first. */
export function dictionaryIds(types: readonly DataType[], found: Set<number> = new Set()): ReadonlySet<number> {
  for (const type of types) {
    if (DataType.isDictionary(type)) {
      dictionaryIds([type.dictionary as DataType], found);
      found.add(type.id);
    }
    const children = (type.children ?? []) as readonly Field[];
    dictionaryIds(
      children.map((child) => child.type as DataType),
      found,
    );
  }
  return found;
}

import type { TableWriter } from "./table-writer.ts";
import type { RecordBatch, Schema } from "apache-arrow";
import { arrowWriter } from "./arrow-writer.ts";
import { csvWriter } from "./csv-writer.ts";
import { jsonWriter, ndjsonWriter } from "./json-writer.ts";
import { markdownWriter } from "./markdown-writer.ts";
import { aligned, type AlignedOptions } from "./aligned-writer.ts";
import type { ByteOutput } from "./text-buffer.ts";

export const TABLE_FORMATS = ["csv", "json", "ndjson", "arrow", "markdown"] as const;

export type TableFormat = (typeof TABLE_FORMATS)[number];

export interface WriteTableOptions {
  /** `aligned` is the table for terminals: some rows, cut to the width. */
  readonly format: TableFormat | "aligned";
  readonly output: ByteOutput;
  /** Of every batch; it is what heads the output even when there is no batch. */
  readonly schema: Schema;
  readonly view?: AlignedOptions;
}

/**
 * Writes what comes, batch by batch, holding one batch and a small buffer; the next is asked for when the output has taken the
 * last. Resolves to the number of rows written. Ends the iteration early when the form needs no more rows (`aligned`), and when
 * the output is closed (then it rejects with OutputClosed, which commands take for a quiet end).
 */
export async function writeTable(batches: AsyncIterable<RecordBatch>, options: WriteTableOptions): Promise<number> {
  const writer = writerFor(options);
  let rows = 0;
  await writer.begin();
  for await (const batch of batches) {
    rows += batch.numRows;
    if (!(await writer.batch(batch))) break;
  }
  await writer.end();
  return rows;
}

function writerFor({ format, output, schema, view }: WriteTableOptions): TableWriter {
  const writers: Readonly<Record<WriteTableOptions["format"], () => TableWriter>> = {
    csv: () => csvWriter(output, schema),
    json: () => jsonWriter(output),
    ndjson: () => ndjsonWriter(output),
    arrow: () => arrowWriter(output, schema),
    markdown: () => markdownWriter(output, schema),
    aligned: () => aligned(output, { schema, ...view }),
  };
  return writers[format]();
}

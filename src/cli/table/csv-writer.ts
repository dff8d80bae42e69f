import type { RecordBatch, Schema } from "apache-arrow";
import { cellsOf } from "./cells.ts";
import type { Cells } from "./scalar-cells.ts";
import { batchData } from "./batch-data.ts";
import { textBuffer, type ByteOutput } from "./text-buffer.ts";
import type { TableWriter } from "./table-writer.ts";

/**
 * RFC 4180 with `\n` line ends, as every Unix tool writes it: always a header line; null is an empty field and the empty
 * string is `""`, so that both read back as they were.
 */
export function csvWriter(output: ByteOutput, schema: Schema): TableWriter {
  const buffer = textBuffer(output);
  return {
    begin: async () => {
      await buffer.add(`${schema.fields.map((field) => quoted(field.name)).join(",")}\n`);
    },
    batch: async (batch) => {
      const columns = columnsOf(batch);
      for (let row = 0; row < batch.numRows; row++) {
        const waiting = buffer.add(lineOf(columns, row));
        if (waiting !== undefined) await waiting;
      }
      return true;
    },
    end: () => buffer.flush(),
  };
}

function columnsOf(batch: RecordBatch): readonly Cells[] {
  return batch.schema.fields.map((field, index) => cellsOf(field, batchData(batch, index)));
}

function lineOf(columns: readonly Cells[], row: number): string {
  let line = "";
  for (const [index, { at, form }] of columns.entries()) {
    if (index > 0) line += ",";
    const text = at(row);
    if (text !== undefined) line += form === "literal" ? text : quoted(text);
  }
  return `${line}\n`;
}

const SPECIAL = /^$|[",\r\n]|^\s|\s$|^\uFEFF/;

function quoted(text: string): string {
  return SPECIAL.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

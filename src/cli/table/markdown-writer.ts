import type { Schema } from "apache-arrow";
import { batchData } from "./batch-data.ts";
import { cellsOf } from "./cells.ts";
import { textBuffer, type ByteOutput } from "./text-buffer.ts";
import { isNumeric } from "./numeric-type.ts";
import type { TableWriter } from "./table-writer.ts";

/** A table as GitHub Flavored Markdown has it (section 4.10): numbers right-aligned, null an empty cell, line breaks as `<br>`. */
export function markdownWriter(output: ByteOutput, schema: Schema): TableWriter {
  const buffer = textBuffer(output);
  return {
    begin: async () => {
      await buffer.add(`| ${schema.fields.map((field) => escaped(field.name)).join(" | ")} |\n`);
      await buffer.add(`| ${schema.fields.map(({ type }) => (isNumeric(type) ? "--:" : "---")).join(" | ")} |\n`);
    },
    batch: async (batch) => {
      const columns = batch.schema.fields.map((field, index) => cellsOf(field, batchData(batch, index)).at);
      for (let row = 0; row < batch.numRows; row++) {
        const waiting = buffer.add(`| ${columns.map((at) => escaped(at(row) ?? "")).join(" | ")} |\n`);
        if (waiting !== undefined) await waiting;
      }
      return true;
    },
    end: () => buffer.flush(),
  };
}

/** Text that Markdown shows as it is: no markup, no HTML, no end of the cell. */
function escaped(text: string): string {
  return text
    .replaceAll(/[\\|`*_~[\]]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(/\r\n|\r|\n/g, "<br>");
}

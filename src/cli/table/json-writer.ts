import type { RecordBatch } from "apache-arrow";
import { batchData } from "./batch-data.ts";
import { cellsOf, jsonText } from "./cells.ts";
import type { Cells } from "./scalar-cells.ts";
import { textBuffer, type ByteOutput } from "./text-buffer.ts";
import type { TableWriter } from "./table-writer.ts";

/**
 * One JSON object a line. Integers and decimals are numbers with all of their digits, also beyond 2^53: a parser that
 * keeps only doubles loses digits of those, one that reads JSON exactly (Python, jq 1.7, DuckDB) does not.
 */
export function ndjsonWriter(output: ByteOutput): TableWriter {
  return objects(output, { open: "", between: "\n", close: "\n", empty: "" });
}

/** One JSON array of such objects, one a line. */
export function jsonWriter(output: ByteOutput): TableWriter {
  return objects(output, { open: "[\n", between: ",\n", close: "\n]\n", empty: "[]\n" });
}

interface Frame {
  readonly open: string;
  readonly between: string;
  readonly close: string;
  /** All of the output when there are no rows. */
  readonly empty: string;
}

function objects(output: ByteOutput, { open, between, close, empty }: Frame): TableWriter {
  const buffer = textBuffer(output);
  let rows = 0;
  return {
    begin: async () => undefined,
    batch: async (batch) => {
      const columns = columnsOf(batch);
      for (let row = 0; row < batch.numRows; row++) {
        const waiting = buffer.add((rows++ === 0 ? open : between) + objectOf(columns, row));
        if (waiting !== undefined) await waiting;
      }
      return true;
    },
    end: async () => {
      await buffer.add(rows === 0 ? empty : close);
      await buffer.flush();
    },
  };
}

interface Column {
  readonly key: string;
  readonly cells: Cells;
}

function columnsOf(batch: RecordBatch): readonly Column[] {
  return batch.schema.fields.map((field, index) => ({
    key: `${index === 0 ? "" : ","}${JSON.stringify(field.name)}:`,
    cells: cellsOf(field, batchData(batch, index)),
  }));
}

function objectOf(columns: readonly Column[], row: number): string {
  let text = "{";
  for (const { key, cells } of columns) text += key + jsonText(cells, row);
  return `${text}}`;
}

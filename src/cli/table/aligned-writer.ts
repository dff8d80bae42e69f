import type { RecordBatch, Schema } from "apache-arrow";
import { paint } from "../paint.ts";
import { batchData } from "./batch-data.ts";
import { cellsOf } from "./cells.ts";
import { isNumeric } from "./numeric-type.ts";
import { cutToWidth, printable, textWidth } from "./text-width.ts";
import type { ByteOutput } from "./text-buffer.ts";
import type { TableWriter } from "./table-writer.ts";

export interface AlignedOptions {
  /** Of the terminal, in columns. Default 80. */
  readonly width?: number;
  /** The most rows that are shown; reading ends with the first row behind them. Default 40. */
  readonly maxRows?: number;
  /** Rows of the result, where they are known without reading them: for the `… N more` line. */
  readonly totalRows?: number;
  readonly colour?: boolean;
}

const GAP = "  ";
const MAX_CELL = 48;
const MIN_CELL = 6;

interface Column {
  readonly name: string;
  readonly numeric: boolean;
  /** `undefined` is null. */
  readonly cells: readonly (string | undefined)[];
}

/** A table for people: aligned, numbers at the right, nulls as `null`, cut to the terminal's width. */
export function aligned(output: ByteOutput, options: AlignedOptions & { schema: Schema }): TableWriter {
  const { schema, maxRows = 40 } = options;
  const columns = schema.fields.map((field) => ({
    name: printable(field.name),
    numeric: isNumeric(field.type),
    cells: [] as (string | undefined)[],
  }));
  let rows = 0;
  return {
    begin: async () => undefined,
    batch: async (batch) => {
      const shown = Math.max(0, Math.min(batch.numRows, maxRows - rows));
      if (shown > 0) for (const [index, column] of columns.entries()) take(column.cells, { batch, index, rows: shown });
      rows += batch.numRows;
      return rows <= maxRows;
    },
    end: async () => {
      const text = layOut(columns, {
        ...options,
        rows: Math.min(rows, maxRows),
        more: moreRows(rows, { ...options, maxRows }),
      });
      await output.bytes(Buffer.from(text));
    },
  };
}

interface Part {
  readonly batch: RecordBatch;
  readonly index: number;
  readonly rows: number;
}

function take(cells: (string | undefined)[], { batch, index, rows }: Part): void {
  const field = batch.schema.fields[index];
  if (field === undefined) return;
  const { at } = cellsOf(field, batchData(batch, index));
  for (let row = 0; row < rows; row++) {
    const text = at(row);
    cells.push(text === undefined ? undefined : cutToWidth(printable(text), MAX_CELL));
  }
}

function moreRows(seen: number, { totalRows, maxRows }: { totalRows?: number; maxRows: number }): string | undefined {
  if (seen <= maxRows) return undefined;
  if (totalRows === undefined) return "… more rows";
  const more = totalRows - maxRows;
  return `… ${new Intl.NumberFormat("en-US").format(more)} more ${more === 1 ? "row" : "rows"}`;
}

interface Layout extends AlignedOptions {
  readonly rows: number;
  readonly more: string | undefined;
}

function layOut(columns: readonly Column[], { width = 80, colour = false, rows, more }: Layout): string {
  const natural = columns.map(({ name, cells }) =>
    Math.min(MAX_CELL, Math.max(1, textWidth(name), ...cells.map((cell) => textWidth(cell ?? "null")))),
  );
  const widths = fitWidths(natural, width);
  const shown = columns.slice(0, widths.length);
  const line = (cellOf: (column: Column) => string | undefined, style: "header" | "row"): string => {
    const cells = shown.map((column, index) => {
      const text = cutToWidth(cellOf(column) ?? "null", widths[index] ?? 0);
      const space = " ".repeat(Math.max(0, (widths[index] ?? 0) - textWidth(text)));
      const isNull = cellOf(column) === undefined;
      const painted = style === "header" ? paint(text, "bold", colour) : isNull ? paint(text, "dim", colour) : text;
      return column.numeric ? space + painted : painted + space;
    });
    return `${cells.join(GAP).trimEnd()}\n`;
  };
  const hidden = columns.length - shown.length;
  const notes = [more, hidden > 0 ? `… ${hidden} more ${hidden === 1 ? "column" : "columns"}` : undefined];
  return [
    line((column) => column.name, "header"),
    `${widths.map((size) => "─".repeat(size)).join(GAP)}\n`,
    ...Array.from({ length: rows }, (_, row) => line((column) => column.cells[row], "row")),
    ...notes.filter((note) => note !== undefined).map((note) => `${paint(note, "dim", colour)}\n`),
  ].join("");
}

/** Columns from the left: the widest give way until all fit, down to six; what then does not fit is left out. At least one stays. */
function fitWidths(natural: readonly number[], width: number): readonly number[] {
  const total = (widths: readonly number[]): number =>
    widths.reduce((sum, size) => sum + size, 0) + GAP.length * (widths.length - 1);
  let least = natural.map((size) => Math.min(size, MIN_CELL));
  while (least.length > 1 && total(least) > width) least = least.slice(0, -1);
  const kept = natural.slice(0, least.length);
  let limit = Math.max(1, ...kept);
  while (limit > MIN_CELL && total(kept.map((size) => Math.min(size, limit))) > width) limit--;
  return kept.map((size) => Math.min(size, limit, Math.max(1, width)));
}

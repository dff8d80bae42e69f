import type { RecordBatch, Schema } from "apache-arrow";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { columnData, type ColumnValue } from "../build/column-data.ts";
import { recordBatch } from "../build/record-batch.ts";
import type { FormatOptions } from "../format.ts";
import { bindRows } from "../rows.ts";
import { refuseBox, tableColumns } from "../table-columns.ts";
import type { TableQuery, TableReader } from "../table.ts";
import { BLOCK_BYTES, rowBlocks, type RowBlock } from "../text/blocks.ts";
import { parserOf } from "../text/kinds.ts";
import { textPlan } from "../text/text-plan.ts";
import { QUOTE, type Dialect } from "./dialect.ts";
import { evenRecords, lineOf, parseRecords, type CsvRecord } from "./records.ts";
import { sniffDialect } from "./sniff-dialect.ts";
import { tableShape, type TableShape } from "./table-shape.ts";

export interface CsvFile extends TableShape {
  readonly dialect: Dialect;
  /** The first block as it was read. */
  readonly first: Uint8Array;
  readonly isWhole: boolean;
  /** Rows without the header that the first block holds whole. */
  readonly rowsAtHand: number;
}

/** Reads the first block and tells delimiter, header and types from it. */
export async function openCsv(source: RangeSource, options: FormatOptions = {}): Promise<CsvFile> {
  const first = await source.read({ start: 0, end: Math.min(source.size, BLOCK_BYTES) }, readOptions(options));
  const isWhole = first.length >= source.size;
  const { dialect, rows: sample } = sniffDialect(first, { isWhole, id: source.id });
  const records = sampleRecords(sample, dialect);
  const shape = tableShape(records);
  return { dialect, first, ...shape, isWhole, rowsAtHand: records.length - (shape.hasHeader ? 1 : 0) };
}

/** A CSV file as a table. Everything is told from the first block; a later value that does not fit is `malformed` with its line. */
export async function csvTable(source: RangeSource, options: FormatOptions = {}): Promise<TableReader> {
  const file = await openCsv(source, options);
  return {
    metadata: { format: "csv", columns: tableColumns(file.schema), rows: file.isWhole ? file.rowsAtHand : undefined },
    extents: () => [],
    plan: async (query) => {
      refuseBox(query, "csv");
      bindRows(file.schema, query);
      return textPlan(source, { firstBytes: file.first.length, rowsAtHand: file.rowsAtHand, query, options });
    },
    scan: (query, how = {}) => {
      refuseBox(query, "csv");
      const bound = bindRows(file.schema, query);
      return bound.run(batches(source, { file, needed: bound.needed, query, how: { ...options, ...how } }));
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function sampleRecords(rows: Uint8Array, dialect: Dialect): readonly CsvRecord[] {
  const block = { bytes: rows, linesBefore: 0 };
  const records = parseRecords(block, { dialect, skipEmpty: true });
  // An empty line is a row of one null in a table of one column, and nothing in a wider one.
  return records[0]?.length === 1 ? parseRecords(block, { dialect, skipEmpty: false }) : records;
}

interface Batches {
  readonly file: CsvFile;
  readonly needed: readonly number[];
  readonly query: TableQuery;
  readonly how: ReadOptions;
}

async function* batches(source: RangeSource, { file, needed, query, how }: Batches): AsyncGenerator<RecordBatch> {
  const { dialect, first, schema, hasHeader } = file;
  const wanted = schema.selectAt([...needed]);
  const ahead = query.limit === undefined;
  const blocks = rowBlocks(source, {
    ...readOptions(how),
    first,
    skip: dialect.skip,
    lineEnd: dialect.lineEnd,
    quote: QUOTE,
    ahead,
  });
  let isFirst = hasHeader;
  const columns = schema.fields.length;
  for await (const block of blocks) {
    const records = evenRecords(block, { dialect, skipEmpty: columns !== 1, columns });
    const from = isFirst ? 1 : 0;
    isFirst = false;
    yield batchOf(records, { from, block, dialect, schema, wanted, needed });
  }
}

interface Wanted {
  readonly from: number;
  readonly block: RowBlock;
  readonly dialect: Dialect;
  readonly schema: Schema;
  readonly wanted: Schema;
  readonly needed: readonly number[];
}

function batchOf(records: readonly CsvRecord[], { from, block, dialect, schema, wanted, needed }: Wanted): RecordBatch {
  const rows = records.length - from;
  const columns = wanted.fields.map(({ name, type }, index) => {
    const column = needed[index] ?? 0;
    const parse = parserOf(type);
    const values: ColumnValue[] = Array.from({ length: rows });
    for (let row = 0; row < rows; row++) {
      const text = records[row + from]?.[column] ?? null;
      const value = text === null ? null : parse(text);
      if (value === undefined) {
        const line = lineOf(row + from, { block, dialect, skipEmpty: schema.fields.length !== 1 });
        throw misfit({ line, name, type: String(type), text: text ?? "" });
      }
      values[row] = value;
    }
    return columnData(type, values);
  });
  return recordBatch(wanted, { columns, rows });
}

function misfit({ line, name, type, text }: { line: number; name: string; type: string; text: string }): RiffleError {
  const value = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
  const message = `line ${line} has ${value} in column ${JSON.stringify(name)}, which is ${type} by the first block of the file`;
  return new RiffleError("malformed", message, { hint: "name the columns that you need, without this one" });
}

function readOptions({ signal, priority = "demand" }: ReadOptions): ReadOptions {
  return { priority, ...(signal === undefined ? {} : { signal }) };
}

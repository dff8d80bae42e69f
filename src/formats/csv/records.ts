import { CsvError, parse, type Options } from "csv-parse/sync";
import { RiffleError } from "../../errors.ts";
import type { RowBlock } from "../text/blocks.ts";
import type { Dialect } from "./dialect.ts";

/** Fields of a row; null for an empty one without quotes. */
export type CsvRecord = readonly (string | null)[];

export interface RecordOptions {
  readonly dialect: Dialect;
  /** Whether an empty line is nothing, and not a row of one null. */
  readonly skipEmpty: boolean;
}

/** The rows of a block. Throws `malformed` naming the line where quotes break RFC 4180. */
export function parseRecords(block: RowBlock, { dialect, skipEmpty }: RecordOptions): readonly CsvRecord[] {
  try {
    // With this cast the package gives null for some fields, which its types do not say.
    return parse(block.bytes, parserOptions(dialect, skipEmpty));
  } catch (error) {
    throw explained(error, block.linesBefore);
  }
}

/** The rows, each with as many fields as there are columns; else `malformed` naming the line. */
export function evenRecords(block: RowBlock, options: RecordOptions & { columns: number }): readonly CsvRecord[] {
  const records = parseRecords(block, options);
  const wrong = records.findIndex((record) => record.length !== options.columns);
  if (wrong === -1) return records;
  const fields = records[wrong]?.length ?? 0;
  const line = lineOf(wrong, { block, ...options });
  throw new RiffleError("malformed", `line ${line} has ${fields} fields where ${options.columns} are expected`);
}

/** The line of the file in which a record of the block begins. */
export function lineOf(record: number, { block, dialect, skipEmpty }: RecordOptions & { block: RowBlock }): number {
  // Only an error asks: so the block is read again, with the package counting lines, rather than counting them always.
  const options = { ...parserOptions(dialect, skipEmpty), info: true, to: record + 1 };
  const found = parse(block.bytes, options) as unknown as { info: { lines: number }; record: CsvRecord }[];
  const last = found.at(-1);
  const inside = last?.record.reduce((lines, field) => lines + (field?.split("\n").length ?? 1) - 1, 0) ?? 0;
  return block.linesBefore + (last?.info.lines ?? 1) - inside;
}

function parserOptions({ delimiter, lineEnd }: Dialect, skipEmpty: boolean): Options {
  return {
    delimiter,
    record_delimiter: lineEnd === 0x0a ? ["\r\n", "\n"] : ["\r"],
    relax_column_count: true,
    skip_empty_lines: skipEmpty,
    cast: (value, { quoting }) => (value === "" && !quoting ? null : value),
  };
}

function explained(error: unknown, linesBefore: number): unknown {
  if (!(error instanceof CsvError)) return error;
  const line = linesBefore + (typeof error["lines"] === "number" ? error["lines"] : 1);
  const what: Readonly<Record<string, string>> = {
    CSV_QUOTE_NOT_CLOSED: "a quote that is not closed",
    CSV_INVALID_CLOSING_QUOTE: "text behind a closing quote",
    INVALID_OPENING_QUOTE: "a quote inside of a field that does not begin with one",
  };
  const text = what[error.code] ?? "a row that is no CSV";
  return new RiffleError("malformed", `line ${line} has ${text}`, { cause: error });
}

import { CsvError, parse, type Options } from "csv-parse/sync";
import { RiffleError } from "../../errors.ts";
import type { RowBlock } from "../text/blocks.ts";
import { QUOTE, type Dialect } from "./dialect.ts";

/** Fields of a row; null for an empty one without quotes. */
export type CsvRecord = readonly (string | null)[];

export interface RecordOptions {
  readonly dialect: Dialect;
  /** Whether an empty line is nothing, and not a row of one null. */
  readonly skipEmpty: boolean;
}

/** The rows of a block. Throws `malformed` naming the line where quotes break RFC 4180. */
export function parseRecords(block: RowBlock, { dialect, skipEmpty }: RecordOptions): readonly CsvRecord[] {
  const options = parserOptions(dialect, skipEmpty);
  try {
    // With a cast the package tells a quoted empty field from an empty one, at ten times the cost: only where there is one.
    if (mayQuoteNothing(block.bytes)) return parse(block.bytes, { ...options, cast: nullWhereEmpty });
    return withNulls(parse(block.bytes, options));
  } catch (error) {
    throw explained(error, block.linesBefore);
  }
}

function nullWhereEmpty(value: string, { quoting }: { readonly quoting: boolean }): string | null {
  return value === "" && !quoting ? null : value;
}

function withNulls(records: (string | null)[][]): readonly CsvRecord[] {
  for (const record of records) {
    for (let at = record.indexOf(""); at !== -1; at = record.indexOf("", at + 1)) record[at] = null;
  }
  return records;
}

/** Whether two quotes stand between things that are no part of a quoted text, as far as can be told without parsing. */
function mayQuoteNothing(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = text.indexOf('""'); at !== -1; at = text.indexOf('""', at + 1)) {
    const [before, behind] = [text[at - 1], text[at + 2]];
    if (before !== QUOTE && behind !== QUOTE && !isText(before) && !isText(behind)) return true;
  }
  return false;
}

/** Letters, digits and what is beyond ASCII: no delimiter, and no end of a line. */
function isText(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (
    byte >= 0x80 || (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)
  );
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

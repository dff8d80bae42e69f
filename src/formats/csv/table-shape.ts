import { DataType, Field, Schema } from "apache-arrow";
import { kindOf, parserOf, typeOfKinds, type KindsSeen } from "../text/kinds.ts";
import { RiffleError } from "../../errors.ts";
import { uniqueNames } from "../build/unique-names.ts";
import type { CsvRecord } from "./records.ts";

/** Each column of each batch is some objects: a block of delimiters alone would be millions. */
const MAX_COLUMNS = 20_000;

export interface TableShape {
  readonly schema: Schema;
  readonly hasHeader: boolean;
}

/**
 * Names and types, told from rows. The first row is a header when it does not fit the types of the others, and when every
 * column is text. Names that are missing are `column0`, `column1`... by their place; a name that was there gets `_1`, `_2`...
 */
export function tableShape(records: readonly CsvRecord[]): TableShape {
  const [first, ...rest] = records;
  if (first !== undefined && first.length > MAX_COLUMNS) {
    throw new RiffleError(
      "unsupported",
      `a row of ${first.length} fields: tables of up to ${MAX_COLUMNS} columns are read`,
    );
  }
  if (first === undefined) return { schema: new Schema([]), hasHeader: false };
  const types = first.map((_, column) => columnType(rest, column));
  const all = first.map((_, column) => columnType(records, column));
  const hasHeader = isHeader(first, { types, isOnly: rest.length === 0 });
  const names = uniqueNames(
    first.map((name, column) => (hasHeader && name !== null && name !== "" ? name : `column${column}`)),
  );
  const chosen = hasHeader ? types : all;
  const fields = names.map((name, column) => new Field(name, chosen[column] as DataType, true));
  return { schema: new Schema(fields), hasHeader };
}

function columnType(records: readonly CsvRecord[], column: number): DataType {
  const seen: KindsSeen = new Set();
  for (const record of records) {
    const text = record[column];
    if (text === null || text === undefined) continue;
    seen.add(kindOf(text));
    if (seen.has("text")) break;
  }
  return typeOfKinds(seen);
}

function isHeader(first: CsvRecord, { types, isOnly }: { types: readonly DataType[]; isOnly: boolean }): boolean {
  if (isOnly) return first.every((name) => name !== null && kindOf(name) === "text");
  const typed = types.flatMap((type, column) => (DataType.isUtf8(type) ? [] : [{ type, text: first[column] ?? null }]));
  if (typed.length === 0) return true;
  return typed.some(({ type, text }) => text !== null && parserOf(type)(text) === undefined);
}

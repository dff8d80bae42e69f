import type { TableQuery, TableReader } from "../../../src/formats/table.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import { pick, randomPredicate, type RandomColumn } from "../predicate/random-predicates.ts";
import { isSame, type Readers } from "./duckdb-values.ts";

export interface RandomQuery {
  readonly columns: readonly string[];
  readonly where: string | undefined;
  readonly limit: number | undefined;
}

/** A query over the top-level columns `names`; `columns` are those for the predicate. */
export function randomQuery(
  table: { readonly names: readonly string[]; readonly columns: readonly RandomColumn[] },
  random: () => number,
): RandomQuery {
  const count = 1 + Math.floor(random() * Math.min(5, table.names.length));
  const columns = [...new Set(Array.from({ length: count }, () => pick(table.names, random)))];
  const filtered = table.columns.length > 0 && random() < 0.85;
  return {
    columns,
    where: filtered ? randomPredicate(table.columns, random) : undefined,
    limit: random() < 0.3 ? 1 + Math.floor(random() * 40) : undefined,
  };
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The query for DuckDB, over a table that keeps the order of its rows. */
export function sqlOf(query: RandomQuery, table: string): string {
  const where = query.where === undefined ? "" : ` WHERE ${query.where}`;
  const limit = query.limit === undefined ? "" : ` LIMIT ${query.limit}`;
  return `SELECT ${query.columns.map(quoted).join(", ")} FROM ${table}${where}${limit}`;
}

export async function tableQueryOf(query: RandomQuery): Promise<TableQuery> {
  return {
    columns: query.columns,
    ...(query.where === undefined ? {} : { where: await parsePredicate(query.where) }),
    ...(query.limit === undefined ? {} : { limit: query.limit }),
  };
}

/** What differs between our rows and DuckDB's, for a person; undefined where nothing does. */
export async function difference(
  reader: TableReader,
  of: { readonly query: RandomQuery; readonly theirs: readonly (readonly unknown[])[] },
): Promise<string | undefined> {
  const { query, theirs } = of;
  const readers: Readers = new WeakMap();
  let row = 0;
  for await (const batch of reader.scan(await tableQueryOf(query))) {
    const names = batch.schema.fields.map((field) => field.name);
    if (names.join() !== query.columns.join()) return `columns ${names.join()}`;
    for (let i = 0; i < batch.numRows; i += 1, row += 1) {
      const expected = theirs[row];
      if (expected === undefined) return `row ${row} is one too many`;
      for (const [c, name] of names.entries()) {
        const data = batch.data.children[c];
        if (data === undefined || !isSame(data, { row: i, theirs: expected[c], readers })) {
          const ours = String(batch.getChildAt(c)?.get(i)).slice(0, 80);
          return `row ${row}, ${name}: ${ours} is not ${(JSON.stringify(expected[c]) ?? "").slice(0, 80)}`;
        }
      }
    }
  }
  return row === theirs.length ? undefined : `${row} rows are not ${theirs.length}`;
}

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RecordBatch } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memorySource } from "../../../src/bytes/source.ts";
import { datasetReader } from "../../../src/formats/dataset/dataset-reader.ts";
import type { FileSet } from "../../../src/formats/format.ts";
import { parquet } from "../../../src/formats/parquet/module.ts";
import type { TableReader } from "../../../src/formats/table.ts";
import { FIXTURES } from "../../support/fixtures.ts";
import { memoryTable } from "./memory-table.ts";
import { duckdb, type DuckdbAnswer } from "../predicate/duckdb-child.ts";
import { EVERY_TYPE, everyType } from "../predicate/every-type.ts";
import { seeded, type RandomColumn } from "../predicate/random-predicates.ts";
import { difference, quoted, randomQuery, sqlOf } from "./random-queries.ts";

const SEED = Number(process.env["RIFFLE_SEED"] ?? 20_240_731);
const folder = mkdtempSync(join(tmpdir(), "riffle-queries-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function open(path: string): Promise<TableReader> {
  const table = await parquet.table?.(memorySource(path, readFileSync(path)));
  if (table === undefined) throw new Error("there is no table reader");
  return table;
}

async function wholeFile(path: string): Promise<RecordBatch> {
  await using reader = await open(path);
  for await (const batch of reader.scan({})) if (batch.numRows === reader.metadata.rows) return batch;
  throw new Error(`${path} is not of one batch`);
}

function rowsOf(answer: DuckdbAnswer | undefined, text: string): readonly (readonly unknown[])[] {
  if (answer === undefined || !("length" in answer)) throw new Error(`DuckDB, ${text}: ${answer?.error}`);
  return answer;
}

const NAMES = [
  "r",
  "i8",
  "i32",
  "i64",
  "u64",
  "u16",
  "f32",
  "f64",
  "m5",
  "m18",
  "m38",
  "s",
  "b",
  "d",
  "ts",
  "tn",
  "t",
  "st",
  "bl",
  "u",
  "lst",
  "dict",
  "sorted",
];

describe("generated files", () => {
  const path = join(folder, "every-type.parquet");
  const hive = join(folder, "hive");

  beforeAll(async () => {
    mkdirSync(hive);
    await duckdb([], {
      setup: [
        "SET threads = 1",
        `COPY (${everyType(5000)}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
        `COPY (SELECT *, CASE WHEN r % 7 = 0 THEN NULL ELSE 2020 + r % 3 END AS year, DATE '2024-01-01' + (r % 2) AS day,
          CASE r % 2 WHEN 0 THEN 'a b' ELSE 'ü%' END AS "name" FROM (${everyType(600)}) ORDER BY r)
          TO '${hive}' (FORMAT parquet, PARTITION_BY (year, day, "name"))`,
      ],
    });
  }, 60_000);

  test(`a file of every type and many row groups (seed ${SEED})`, async () => {
    const random = seeded(SEED);
    const queries = Array.from({ length: 80 }, () => randomQuery({ names: NAMES, columns: EVERY_TYPE }, random));
    const answers = await duckdb(
      queries.map((query) => sqlOf(query, "t")),
      { setup: [`CREATE TABLE t AS ${everyType(5000)}`] },
    );
    await using reader = await open(path);
    for (const [i, query] of queries.entries()) {
      const text = sqlOf(query, "t");
      expect([text, await difference(reader, { query, theirs: rowsOf(answers[i], text) })]).toEqual([text, undefined]);
    }
  }, 240_000);

  test(`a directory of partitions (seed ${SEED})`, async () => {
    const random = seeded(SEED + 1);
    const columns: readonly RandomColumn[] = [
      ...EVERY_TYPE.filter(({ name }) => ["i32", "s", "d", "b"].includes(name)),
      { name: "year", literals: ["2020", "2021", "2022", "2021.5", "2030"], peers: ["i64"] },
      {
        name: "day",
        literals: ["DATE '2024-01-01'", "'2024-01-02'", "TIMESTAMP '2024-01-01 12:00:00'"],
        peers: ["d", "ts"],
      },
      { name: "name", literals: ["'a b'", "'ü%'", "'b'"], patterns: ["'a%'", "'_%'"], peers: ["s"] },
    ];
    const names = ["r", "i64", "s", "year", "day", "name", "m38"];
    const queries = Array.from({ length: 120 }, () => randomQuery({ names, columns }, random));
    const paths = readdirSync(hive, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".parquet"))
      .sort();
    const files: FileSet = { paths, file: (name) => memorySource(name, readFileSync(join(hive, name))) };
    // Each file is decoded once: what is tested here is how files become one table.
    const held = new Map<string, RecordBatch>();
    for (const name of paths) held.set(name, await wholeFile(join(hive, name)));
    await using reader = await datasetReader(files, {
      open: async (name) => memoryTable(held.get(name) ?? new RecordBatch({})),
    });
    expect(reader.metadata.columns.slice(-3).map(({ type }) => type)).toEqual(["Int64", "Date32<DAY>", "Utf8"]);
    // In the order of the paths, as ours; a table keeps it.
    const list = paths.map((name) => `'${join(hive, name).replaceAll("'", "''")}'`).join(", ");
    const answers = await duckdb(
      queries.map((query) => sqlOf(query, "t")),
      {
        setup: ["SET threads = 1", `CREATE TABLE t AS SELECT * FROM read_parquet([${list}], hive_partitioning = true)`],
      },
    );
    for (const [i, query] of queries.entries()) {
      const text = sqlOf(query, "t");
      expect([text, await difference(reader, { query, theirs: rowsOf(answers[i], text) })]).toEqual([text, undefined]);
    }
  }, 240_000);
});

describe.skipIf(FIXTURES === undefined)("fixtures", () => {
  test(`random queries over files that both read (seed ${SEED})`, async () => {
    const random = seeded(SEED + 2);
    // A third of them, as the seed says: every file costs a thread of its own. All are asked other queries elsewhere.
    const paths = readableFixtures().filter(() => random() < 1 / 3);
    const tables = await described(paths);
    const queries = [...tables].flatMap(([path, table]) =>
      Array.from({ length: 4 }, () => ({ path, query: randomQuery(table, random) })),
    );
    const setup = [...tables.keys()].map(
      (path, i) =>
        `CREATE TABLE t${i} AS SELECT * FROM read_parquet('${join(FIXTURES ?? "", path)}', hive_partitioning = false)`,
    );
    const order = [...tables.keys()];
    const answers = await duckdb(
      queries.map(({ path, query }) => sqlOf(query, `t${order.indexOf(path)}`)),
      { setup: ["SET threads = 1", ...setup] },
    );
    const wrong: string[] = [];
    for (const path of order) {
      await using reader = await open(join(FIXTURES ?? "", path));
      for (const [i, { path: own, query }] of queries.entries()) {
        if (own !== path) continue;
        const text = sqlOf(query, path);
        const found = await difference(reader, { query, theirs: rowsOf(answers[i], text) });
        if (found !== undefined) wrong.push(`${text}: ${found}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(queries.length).toBeGreaterThanOrEqual(60);
  }, 240_000);
});

function readableFixtures(): readonly string[] {
  // Made with the fixtures.
  const { files } = JSON.parse(readFileSync(join(FIXTURES ?? "", "expected.json"), "utf8")) as {
    readonly files: Readonly<Record<string, { readonly format: string; readonly outcome: string }>>;
  };
  return Object.entries(files)
    .filter(([, { format, outcome }]) => format === "parquet" && outcome === "read")
    .map(([path]) => path);
}

interface FixtureTable {
  readonly names: readonly string[];
  readonly columns: readonly RandomColumn[];
}

/** What DuckDB says of the columns of the files that it can read, with some of their values as literals. */
async function described(paths: readonly string[]): Promise<ReadonlyMap<string, FixtureTable>> {
  const all = paths.map((path) => `'${join(FIXTURES ?? "", path)}'`);
  const schemas = await duckdb(
    all.map((path) => `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${path})`),
  );
  const samples = await duckdb(
    all.map((path, i) => {
      const schema = schemas[i];
      const names = schema !== undefined && "length" in schema ? schema.map(([name]) => quoted(String(name))) : ["1"];
      return `SELECT ${names.map((name) => `(${name})::VARCHAR`).join(", ")} FROM read_parquet(${path}, hive_partitioning = false) USING SAMPLE 6 (reservoir, ${SEED})`;
    }),
  );
  const tables = new Map<string, FixtureTable>();
  for (const [i, path] of paths.entries()) {
    const [schema, sample] = [schemas[i], samples[i]];
    if (schema === undefined || sample === undefined || !("length" in schema) || !("length" in sample)) continue;
    // A variant is one value for DuckDB; for us it is what the file holds of it.
    const told = schema.flatMap(([name, type], c) =>
      type === "VARIANT" ? [] : [{ name: String(name), type: String(type), values: sample.map((row) => row[c]) }],
    );
    if (told.length === 0) continue;
    tables.set(path, { names: told.map(({ name }) => name), columns: told.map(fixtureColumn) });
  }
  return tables;
}

/** Literals as DuckDB reads them for a column of that type; none where only `IS NULL` is sure to mean the same. */
function fixtureColumn(column: {
  readonly name: string;
  readonly type: string;
  readonly values: readonly unknown[];
}): RandomColumn {
  const name = quoted(column.name);
  const known = column.values.filter((value) => typeof value === "string");
  const quotable =
    /^(FLOAT|DOUBLE|VARCHAR|DATE|TIMESTAMP|TIMESTAMP_NS|TIMESTAMP_MS|TIMESTAMP WITH TIME ZONE|BOOLEAN|UUID|TIME)$/;
  const numeric = /^(U?(TINY|SMALL|BIG)INT|U?INTEGER|DECIMAL\(\d+,\d+\))$/;
  if (!quotable.test(column.type) && !numeric.test(column.type)) return { name, literals: [] };
  const literals = known
    .filter((value) => value.length < 200 && !/\(BC\)|infinity/i.test(value))
    .map((value) => (numeric.test(column.type) ? value : `'${value.replaceAll("'", "''")}'`));
  if (column.type !== "VARCHAR" || literals.length === 0) return { name, literals };
  const patterns = known.map((value) => `'${value.slice(0, 2).replaceAll("'", "''")}%'`);
  return { name, literals, patterns };
}

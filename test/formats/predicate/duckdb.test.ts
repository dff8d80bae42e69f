import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tableFromIPC, type RecordBatch } from "apache-arrow";
import { readParquet } from "parquet-wasm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bindPredicate } from "../../../src/formats/predicate/bind-predicate.ts";
import type { BoundColumn, BoundPredicate, Value } from "../../../src/formats/predicate/bound-predicate.ts";
import { columnRows } from "../../../src/formats/predicate/column-rows.ts";
import { compareValues, valuesOf } from "../../../src/formats/predicate/compare-columns.ts";
import { equalityValues } from "../../../src/formats/predicate/equality-values.ts";
import { matchRows } from "../../../src/formats/predicate/match-rows.ts";
import { mayMatch, type ColumnBounds } from "../../../src/formats/predicate/may-match.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import { trueRows } from "../../../src/formats/predicate/take-rows.ts";
import { duckdb } from "./duckdb-child.ts";
import { EVERY_TYPE, everyType } from "./every-type.ts";
import { randomPredicate, seeded } from "./random-predicates.ts";

const ROWS = 1000;
const QUERIES = 800;
const SEED = Number(process.env["RIFFLE_SEED"] ?? 20_240_229);

const folder = mkdtempSync(join(tmpdir(), "riffle-predicates-"));
const path = join(folder, "every-type.parquet");
const batches: RecordBatch[] = [];

beforeAll(async () => {
  await duckdb([], { setup: [`COPY (${everyType(ROWS)}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 100000)`] });
  const table = readParquet(readFileSync(path), { batchSize: 128 });
  batches.push(...tableFromIPC(table.intoIPCStream()).batches);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test(`random predicates are true for the rows that DuckDB finds (seed ${SEED})`, async () => {
  const random = seeded(SEED);
  const texts = Array.from({ length: QUERIES }, () => randomPredicate(EVERY_TYPE, random));
  // A table in DuckDB's own memory is its best word: over files, its bloom filters miss zeros of the other sign.
  const answers = await duckdb(
    texts.map((text) => `SELECT r FROM t WHERE ${text} ORDER BY r`),
    { setup: [`CREATE TABLE t AS ${everyType(ROWS)}`] },
  );
  let found = 0;
  for (const [i, text] of texts.entries()) {
    const answer = answers[i];
    if (answer === undefined || !("length" in answer)) throw new Error(`${text}: ${answer?.error}`);
    const rows = await rowsOf(text);
    expect([text, rows]).toEqual([text, answer.map(([row]) => Number(row))]);
    found += rows.length;
  }
  // The queries ask for something: neither all rows nor none.
  expect(found / (QUERIES * ROWS)).toBeGreaterThan(0.1);
  expect(found / (QUERIES * ROWS)).toBeLessThan(0.9);
}, 120_000);

async function rowsOf(text: string): Promise<readonly number[]> {
  const predicate = await parsePredicate(text);
  const [first] = batches;
  if (first === undefined) throw new Error("no batch");
  const bound = bindPredicate(predicate, first.schema);
  return batches.flatMap((batch) => {
    const numbers = batch.data.children[0]?.values as Int32Array; // `r` is the first, and an INTEGER
    return Array.from(trueRows(matchRows(bound, batch)), (row) => Number(numbers[row]));
  });
}

test(`bounds never rule out rows that are true, and do rule out some (seed ${SEED})`, async () => {
  const random = seeded(SEED + 1);
  let ruledOut = 0;
  let none = 0;
  for (let i = 0; i < QUERIES; i += 1) {
    const text = randomPredicate(EVERY_TYPE, random);
    const predicate = await parsePredicate(text);
    const batch = batches[Math.floor(random() * batches.length)];
    if (batch === undefined) throw new Error("no batch");
    const start = Math.floor(random() * batch.numRows);
    const slice = batch.slice(start, start + 1 + Math.floor(random() * 5));
    const bound = bindPredicate(predicate, slice.schema);
    const truths = matchRows(bound, slice);
    const exact = random() < 0.5;
    const may = mayMatch(bound, (_, column) => boundsOf(slice, { column, exact, random }));
    if (truths.includes(1)) expect([text, may]).toEqual([text, true]);
    else none += 1;
    if (!may) ruledOut += 1;
    checkEqualities(text, { bound, slice, truths });
  }
  expect(ruledOut).toBeGreaterThan(none / 3);
}, 120_000);

/** What an honest writer could say of a column: sometimes less than all, or bounds moved outwards; floats without their NaN. */
function boundsOf(
  batch: RecordBatch,
  of: { readonly column: BoundColumn; readonly exact: boolean; readonly random: () => number },
): ColumnBounds | undefined {
  const { column, exact, random } = of;
  if (!exact && random() < 0.1) return undefined;
  const rows = columnRows(batch, column);
  const get = valuesOf(rows.data, rows.length);
  const values: Value[] = [];
  for (let row = 0; row < rows.length; row += 1) {
    const value = rows.nulls?.[row] === 1 ? undefined : get(row);
    if (value !== undefined && !Number.isNaN(value)) values.push(value);
  }
  const nullCount = rows.nulls === undefined ? 0 : rows.nulls.reduce((sum, isNull) => sum + isNull, 0);
  const sorted = values.sort(compareValues);
  const [min, max] = [sorted[0], sorted.at(-1)];
  const cut = (value: Value | undefined): Value | undefined =>
    value instanceof Uint8Array && !exact ? value.subarray(0, 1) : value;
  // A cut maximum must be rounded up.
  const top = max instanceof Uint8Array && !exact ? Uint8Array.of(...(cut(max) as Uint8Array), 0xff) : max;
  return {
    ...(exact || random() < 0.8 ? { min: cut(min), max: top } : {}),
    ...(exact || random() < 0.8 ? { nullCount } : {}),
    ...(exact || random() < 0.8 ? { rowCount: rows.length } : {}),
  };
}

/** Where a row is true, the column is one of the values that equality asks for. */
function checkEqualities(
  text: string,
  of: { readonly bound: BoundPredicate; readonly slice: RecordBatch; readonly truths: Uint8Array },
): void {
  for (const { name } of EVERY_TYPE) {
    const column = of.slice.schema.fields.find((field) => field.name === name);
    const wanted = column === undefined ? undefined : equalityValues(of.bound, [name]);
    if (column === undefined || wanted === undefined) continue;
    const child = of.slice.data.children[of.slice.schema.fields.indexOf(column)];
    if (child === undefined) throw new Error(name);
    const get = valuesOf(child, of.slice.numRows);
    for (let row = 0; row < of.truths.length; row += 1) {
      if (of.truths[row] !== 1) continue;
      const value = get(row);
      const isWanted = value !== undefined && wanted.some((one) => compareValues(one, value) === 0);
      expect([text, name, isWanted]).toEqual([text, name, true]);
    }
  }
}

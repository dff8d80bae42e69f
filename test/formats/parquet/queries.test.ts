import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, expect, test } from "vitest";
import { rangeLength } from "../../../src/bytes/range.ts";
import { readFooter } from "../../../src/formats/parquet/footer.ts";
import { parseMetadata, type ParquetMetadata } from "../../../src/formats/parquet/metadata.ts";
import { parquetRows } from "../../../src/formats/parquet/info.ts";
import { parquetTable } from "../../../src/formats/parquet/table.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import type { FormatOptions } from "../../../src/formats/format.ts";
import type { TableQuery, TableReader } from "../../../src/formats/table.ts";
import { loggedSource, type LoggedSource } from "../../support/logged-source.ts";
import { renderColumn } from "./render.ts";

const ROWS = 60_000;
const GROUP_ROWS = 20_000;

/** Sorted `id`, three columns beside it, all with page index; `word` with a bloom filter. */
const SORTED = new Uint8Array(
  parquetWriteBuffer({
    columnData: [
      { name: "id", data: BigInt64Array.from({ length: ROWS }, (_, row) => BigInt(row)), type: "INT64", ...indexed() },
      {
        name: "a",
        data: Float64Array.from({ length: ROWS }, (_, row) => Math.sin(row) * 1000),
        type: "DOUBLE",
        ...indexed(),
      },
      {
        name: "b",
        data: Int32Array.from({ length: ROWS }, (_, row) => (row * 7919) % 10_007),
        type: "INT32",
        ...indexed(),
      },
      {
        name: "word",
        data: Array.from({ length: ROWS }, (_, row) => `w${(row * 31) % 5003}`),
        type: "STRING",
        bloomFilter: true,
      },
    ],
    rowGroupSize: GROUP_ROWS,
    pageSize: 8192,
  }),
);

function indexed(): { readonly columnIndex: true; readonly offsetIndex: true; readonly encoding: "PLAIN" } {
  return { columnIndex: true, offsetIndex: true, encoding: "PLAIN" };
}

const opened: TableReader[] = [];
afterEach(async () => {
  for (const table of opened.splice(0)) await table.close();
});

async function open(
  content: Uint8Array,
  options: FormatOptions = {},
): Promise<{ readonly source: LoggedSource; readonly table: TableReader; readonly metadata: ParquetMetadata }> {
  const source = loggedSource(content);
  const table = await parquetTable(source, options);
  opened.push(table);
  const { bytes } = await readFooter(loggedSource(content));
  expect(source.calls.length).toBe(1);
  source.reset();
  return { source, table, metadata: parseMetadata(bytes, content.length) };
}

/** Rows as lists of rendered values. */
async function rowsOf(table: TableReader, query: TableQuery): Promise<readonly string[]> {
  const rows: string[] = [];
  for await (const batch of table.scan(query)) {
    const columns = batch.schema.fields.map((_, at) => renderColumn(batch, at));
    for (let row = 0; row < batch.numRows; row++) rows.push(columns.map((column) => column[row]).join(" "));
  }
  return rows;
}

function chunkBytes(metadata: ParquetMetadata, leaf: number): number {
  return metadata.rowGroups.reduce(
    (sum, { chunks }) => sum + (chunks[leaf] === undefined ? 0 : rangeLength(chunks[leaf].range)),
    0,
  );
}

test("one column of all rows: its chunks alone, in one round trip after the footer", async () => {
  const { source, table, metadata } = await open(SORTED);
  const rows = await rowsOf(table, { columns: ["b"] });
  expect(rows.length).toBe(ROWS);
  expect(rows[12_345]).toBe(String((12_345 * 7919) % 10_007));
  expect(source.calls.length).toBe(1);
  expect(source.bytes()).toBe(chunkBytes(metadata, 2));
});

test("a condition on the sorted column reads pages of all columns, in three round trips at most", async () => {
  const { source, table, metadata } = await open(SORTED);
  const where = await parsePredicate("id between 30000 and 30100");
  const rows = await rowsOf(table, { columns: ["b", "id"], where });
  expect(rows.length).toBe(101);
  expect(rows[0]).toBe(`${(30_000 * 7919) % 10_007} 30000`);
  expect(source.calls.length).toBeLessThanOrEqual(3);
  // Of one row group of three, and of it less than a tenth.
  expect(source.bytes()).toBeLessThan((chunkBytes(metadata, 0) + chunkBytes(metadata, 2)) / 10);
  const plan = await table.plan({ columns: ["b", "id"], where });
  expect(plan.pruned).toEqual([
    { what: "row groups by statistics", total: 3, kept: 1 },
    { what: "pages by page index", total: expect.any(Number) as number, kept: 1 },
  ]);
  const all = plan.ranges.reduce((sum, { range }) => sum + rangeLength(range), 0);
  expect(plan.bytesNeeded).toBeGreaterThan(all);
  expect(plan.bytesFetched).toBeGreaterThanOrEqual(plan.bytesNeeded);
  expect(plan.requests).toBeLessThanOrEqual(plan.ranges.length);
  expect(plan.ranges.every(({ purpose }) => purpose.startsWith("pages of column"))).toBe(true);
});

test("a condition that few rows meet anywhere reads the other columns by page", async () => {
  const { source, table, metadata } = await open(SORTED);
  const rows = await rowsOf(table, { columns: ["a"], where: await parsePredicate("b = 77 and id < 20000") });
  const expected = Array.from({ length: GROUP_ROWS }, (_, row) => row).filter((row) => (row * 7919) % 10_007 === 77);
  expect(rows.length).toBe(expected.length);
  expect(expected.length).toBeGreaterThan(0);
  expect(source.calls.length).toBeLessThanOrEqual(3);
  const [all, filters] = [chunkBytes(metadata, 1) / 3, (chunkBytes(metadata, 0) + chunkBytes(metadata, 2)) / 3];
  expect(source.bytes()).toBeLessThan(filters + all / 2);
});

test("where all columns cost less than a round trip they are read at once, and the rows are the same", async () => {
  const queries = ["id between 19990 and 20010", "b = 77 and id < 20000", "a > 999.9 or word = 'word 3'", "id < 0"];
  for (const text of queries) {
    const where = await parsePredicate(text);
    for (const query of [{ where }, { where, columns: ["a", "id"] }, { where, columns: ["b"], limit: 3 }]) {
      const apart = await open(SORTED);
      const together = await open(SORTED, { roundTripBytes: () => 100_000_000 });
      const rows = await rowsOf(apart.table, query);
      expect(await rowsOf(together.table, query)).toEqual(rows);
      if (rows.length > 0 && query.limit === undefined)
        expect(together.source.calls.length).toBeLessThan(apart.source.calls.length);
    }
  }
});

test("a limit reads one row group, and of it the first pages", async () => {
  const { source, table, metadata } = await open(SORTED);
  const rows = await rowsOf(table, { limit: 10 });
  expect(rows.length).toBe(10);
  expect(source.bytes()).toBeLessThan([0, 1, 2, 3].reduce((sum, leaf) => sum + chunkBytes(metadata, leaf), 0) / 3);
  source.reset();
  expect((await rowsOf(table, { limit: GROUP_ROWS + 5, columns: ["id"] })).length).toBe(GROUP_ROWS + 5);
  expect((await rowsOf(table, { limit: 7, where: await parsePredicate("b > 5000") })).length).toBe(7);
});

test("a limit of 0 reads nothing and still shows the columns", async () => {
  const { source, table } = await open(SORTED);
  const batches = [];
  for await (const batch of table.scan({ limit: 0, columns: ["word", "id"] })) batches.push(batch);
  expect(batches.map((batch) => [batch.numRows, ...batch.schema.fields.map(({ name }) => name)])).toEqual([
    [0, "word", "id"],
  ]);
  expect(source.calls).toEqual([]);
  expect(table.metadata.rows).toBe(ROWS);
  expect(await parquetRows(source)).toBe(ROWS);
  expect(source.calls.length).toBe(1);
});

test("no columns at all: rows are counted without a read", async () => {
  const { source, table } = await open(SORTED);
  const count = async (query: TableQuery): Promise<number> => {
    let rows = 0;
    for await (const batch of table.scan({ ...query, columns: [] })) rows += batch.numRows;
    return rows;
  };
  expect(await count({})).toBe(ROWS);
  expect(await count({ where: await parsePredicate("TRUE"), limit: 25_000 })).toBe(25_000);
  expect(await count({ where: await parsePredicate("FALSE") })).toBe(0);
  expect(source.bytes()).toBe(0);
});

test("a word that is between all bounds but in no bloom filter costs the filters alone", async () => {
  const { source, table, metadata } = await open(SORTED);
  const where = await parsePredicate("word = 'w1234x'");
  expect(await rowsOf(table, { where })).toEqual([]);
  const blooms = metadata.rowGroups.map(({ chunks }) => chunks[3]?.bloom?.length ?? 0);
  expect(source.bytes()).toBeLessThanOrEqual(blooms.reduce((a, b) => a + b, 0));
  expect((await table.plan({ where })).pruned).toContainEqual({
    what: "row groups by bloom filter",
    total: 3,
    kept: 0,
  });
  expect(
    (await rowsOf(table, { columns: ["id"], where: await parsePredicate("word = 'w4999' and id < 6000") })).length,
  ).toBeGreaterThan(0);
});

test("bloom filters are found in the buffers of Node as well", async () => {
  const { table } = await open(Buffer.from(SORTED));
  const rows = await rowsOf(table, { columns: ["id"], where: await parsePredicate("word = 'w4999'") });
  expect(rows.length).toBe(
    Array.from({ length: ROWS }, (_, row) => (row * 31) % 5003).filter((word) => word === 4999).length,
  );
});

test("an unknown column is a usage error that says what there is", async () => {
  const { table } = await open(SORTED);
  const scan = async (query: TableQuery): Promise<unknown> => rowsOf(table, query).catch((error: unknown) => error);
  expect(await scan({ columns: ["nope"] })).toMatchObject({ code: "usage", hint: "there are id, a, b, word" });
  expect(await scan({ columns: ["id.x"] })).toMatchObject({ code: "usage" });
  expect(await scan({ where: await parsePredicate("nope = 1") })).toMatchObject({ code: "usage" });
  expect(await scan({ where: await parsePredicate("word > 3") })).toMatchObject({ code: "usage" });
  expect(await scan({ limit: -1 })).toMatchObject({ code: "usage" });
  expect(await scan({ bbox: { west: 0, south: 0, east: 1, north: 1 } })).toMatchObject({ code: "usage" });
});

test("ending the iteration early ends what was begun ahead", async () => {
  const inner = loggedSource(SORTED);
  const signals: (AbortSignal | undefined)[] = [];
  await using table = await parquetTable({
    ...inner,
    readMany: (ranges, options) => {
      signals.push(options?.signal);
      return inner.readMany(ranges, options);
    },
  });
  for await (const batch of table.scan({ columns: ["id"] })) {
    expect(batch.numRows).toBe(GROUP_ROWS);
    expect(signals.map((signal) => signal?.aborted)).toEqual([false]);
    break;
  }
  expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
});

test("an aborted scan ends with the signal's reason; a closed table refuses", async () => {
  const { table } = await open(SORTED);
  const signal = AbortSignal.abort();
  await expect(rowsOf({ ...table, scan: (query) => table.scan(query, { signal }) }, {})).rejects.toThrow();
  await table.close();
  await expect(rowsOf(table, {})).rejects.toMatchObject({ code: "closed" });
});

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  RecordBatchFileWriter,
  Table,
  tableFromArrays,
  tableFromIPC,
  tableToIPC,
  vectorFromArray,
  Dictionary,
  Int32,
  Utf8,
} from "apache-arrow";
import { expect, test } from "vitest";
import { arrow } from "../../../src/formats/arrow/module.ts";
import { arrowTable } from "../../../src/formats/arrow/reader.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { readCsv } from "../read-table.ts";
import { written } from "../../cli/table/written.ts";

const flights = new Uint8Array(
  readFileSync(join(import.meta.dirname, "../../../node_modules/vega-datasets/data/flights-200k.arrow")),
);

/** Many columns in several batches, as the package writes them. */
function manyBatches(): Uint8Array {
  const batches = Array.from({ length: 4 }, (_, batch) => {
    const numbers = (factor: number): Float64Array =>
      Float64Array.from({ length: 20_000 }, (__, row) => factor * (row + batch * 20_000));
    return tableFromArrays({ a: numbers(1), b: numbers(2), c: numbers(3), d: numbers(4) }).batches;
  });
  return RecordBatchFileWriter.writeAll(new Table(batches.flat())).toUint8Array(true);
}

test("of each batch only the buffers of the chosen column move", async () => {
  const source = loggedSource(manyBatches());
  await using reader = await arrowTable(source);
  expect(reader.metadata.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
    "a Float64",
    "b Float64",
    "c Float64",
    "d Float64",
  ]);
  const opened = source.bytes();
  const text = await readCsv(reader, { columns: ["c"] });
  expect(text.split("\n")).toHaveLength(80_002);
  expect(text.startsWith("c\n0\n3\n6\n")).toBe(true);
  // Messages of four batches, then one column of eight bytes a row, the last batch's partly in the tail that opening read.
  expect(source.calls).toHaveLength(3);
  expect(source.bytes() - opened).toBeLessThan(80_000 * 8 + 4 * 1024);
  expect(source.bytes() - opened).toBeGreaterThan(60_000 * 8);
});

test("a limit reads one batch, of all columns in one request", async () => {
  const bytes = manyBatches();
  const source = loggedSource(bytes);
  await using reader = await arrowTable(source);
  expect(await readCsv(reader, { limit: 2 })).toBe("a,b,c,d\n0,0,0,0\n1,2,3,4\n");
  expect(source.requests()).toBe(2);
  expect(source.bytes()).toBeLessThan(64 * 1024 + bytes.length / 4 + 4096);
});

test("the plan names what a query reads, and reads no bodies", async () => {
  const source = loggedSource(manyBatches());
  await using reader = await arrowTable(source);
  const plan = await reader.plan({ columns: ["b"] });
  expect(plan.ranges.map(({ purpose }) => purpose)).toEqual(["column b", "column b", "column b", "column b"]);
  expect(plan.bytesNeeded).toBeLessThan(80_000 * 8 + 64 * 1024 + 4 * 1024);
  expect(source.bytes()).toBeLessThan(64 * 1024 + 4 * 1024);
});

test("a predicate's columns are read beside those that are shown", async () => {
  await using reader = await arrowTable(loggedSource(manyBatches()));
  const where = await parsePredicate("b = 40010 or a < 1");
  expect(await readCsv(reader, { columns: ["d", "a"], where })).toBe("d,a\n0,0\n80020,20005\n");
});

test("a real file gives the same rows as the package's own reader", async () => {
  await using reader = await arrowTable(loggedSource(flights));
  const table = tableFromIPC(flights);
  const all = await readCsv(reader);
  expect(all).toBe((await written(table.batches, { schema: table.schema, format: "csv" })).toString());
  expect(all.split("\n")).toHaveLength(table.numRows + 2);
});

test("dictionaries are read only where a column needs them", async () => {
  const words = Array.from({ length: 30_000 }, (_, row) => `word ${row % 9000}`);
  const table = new Table({
    word: vectorFromArray(words, new Dictionary(new Utf8(), new Int32())),
    plain: vectorFromArray(
      words.map((_, row) => row),
      new Int32(),
    ),
  });
  const bytes = tableToIPC(table, "file");
  const source = loggedSource(bytes);
  await using reader = await arrowTable(source);
  expect((await readCsv(reader, { columns: ["plain"], limit: 2 })).split("\n")).toEqual(["plain", "0", "1", ""]);
  const without = source.bytes();
  const text = await readCsv(reader, { columns: ["word"] });
  expect(text.split("\n").slice(1, -1)).toEqual(words);
  expect(source.bytes() - without).toBeGreaterThan(9000 * 8);
});

test("extents are the buffers of a column of a batch", async () => {
  const bytes = manyBatches();
  const table = await arrow.extents?.(loggedSource(bytes));
  expect(table?.count).toBe(16);
  expect([...(table?.series ?? [])]).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
  expect((table?.ends[2] ?? 0) - (table?.starts[2] ?? 0)).toBeGreaterThanOrEqual(160_000);
});

test("info counts the rows by the messages of the batches", async () => {
  const { facts } = await arrow.info(loggedSource(manyBatches()));
  expect(facts).toMatchObject({ rows: 80_000, batches: 4, dictionaries: 0, compression: "none" });
});

test.skipIf(!existsSync("/usr/bin/lz4"))("frames of the lz4 program decode", async () => {
  const { decodeLz4Frame } = await import("../../../src/formats/arrow/lz4-frame.ts");
  const content = Buffer.from(Array.from({ length: 40_000 }, (_, row) => `row ${row % 777} `).join(""));
  for (const flags of [["-1"], ["-9"], ["-B4", "-BD"], ["-B4", "-BX"], ["--content-size"]]) {
    const frame = execFileSync("/usr/bin/lz4", ["-c", ...flags], { input: content, maxBuffer: 1 << 26 });
    expect(Buffer.from(decodeLz4Frame(frame, content.length)).equals(content)).toBe(true);
    expect(() => decodeLz4Frame(frame, content.length + 1)).toThrow("an LZ4 frame that does not hold");
    expect(() => decodeLz4Frame(frame.subarray(0, frame.length - 100), content.length)).toThrow("an LZ4 frame");
  }
});

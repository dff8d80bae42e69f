import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { Field, Float64, Int64, Schema, Utf8, Bool } from "apache-arrow";
import { describe, expect, test } from "vitest";
import { isRiffleError } from "../../../src/errors.ts";
import { columnData, type ColumnValue } from "../../../src/formats/build/column-data.ts";
import { recordBatch } from "../../../src/formats/build/record-batch.ts";
import { csv } from "../../../src/formats/csv/module.ts";
import { csvTable } from "../../../src/formats/csv/reader.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import { written } from "../../cli/table/written.ts";
import { loggedSource, type LoggedSource } from "../../support/logged-source.ts";
import { readCsv } from "../read-table.ts";

const MIB = 1024 * 1024;
const source = (text: string): LoggedSource => loggedSource(Buffer.from(text), "made.csv");
const reading = async (text: string): Promise<string> => readCsv(await csvTable(source(text)));
const failing = async (text: string): Promise<string> => {
  const thrown: unknown = await reading(text).catch((error: unknown) => error);
  return isRiffleError(thrown) ? `${thrown.code}: ${thrown.message}` : String(thrown);
};

test("a limit touches one block; all of it is read once, in windows that double", async () => {
  const text = `row,word\n${Array.from({ length: 300_000 }, (_, row) => `${row},w${row % 7}\n`).join("")}`;
  const big = source(text);
  const reader = await csvTable(big);
  expect(reader.metadata.rows).toBeUndefined();
  expect(await readCsv(reader, { limit: 3 })).toBe("row,word\n0,w0\n1,w1\n2,w2\n");
  expect(big.calls).toEqual([[{ start: 0, end: MIB }]]);
  expect((await reader.plan({ limit: 3 })).ranges).toEqual([]);
  expect((await reader.plan({ limit: 250_000 })).bytesNeeded).toBe(text.length);
  const where = await parsePredicate("row between 299990 and 299995 and word <> 'w1'");
  expect((await readCsv(reader, { where, columns: ["row"] })).split("\n")).toHaveLength(7);
  expect(big.bytes()).toBe(text.length);
  const windows = big.calls
    .slice(1)
    .flat()
    .map(({ start, end }) => end - start);
  expect(windows).toEqual([MIB, text.length - 2 * MIB]);
});

test("quotes, line breaks and delimiters inside of quotes lie across blocks as anywhere", async () => {
  const rows = Array.from({ length: 30_000 }, (_, row) => `${row},"line one, of ""${row}""\nline two"\n`);
  const text = `id,text\n${rows.join("")}`;
  expect(text.length).toBeGreaterThan(MIB);
  expect(await reading(text)).toBe(text);
});

test.each([
  ["a,b\n1,2\n3\n", "malformed: line 3 has 1 fields where 2 are expected"],
  ['a,b\n"x\ny",2\n1,2,3\n', "malformed: line 4 has 3 fields where 2 are expected"],
  ['a,b\n1,2\n"x"y,2\n', "malformed: line 3 has text behind a closing quote"],
  ['a,b\n1,2\n3,x"y\n', "malformed: line 3 has a quote inside of a field that does not begin with one"],
  ['a,b\n1,2\n"3,4\n', "malformed: line 3 has a quote that is not closed"],
  ["a,b\n1,\xe9\xff\n", "unsupported: text that is not UTF-8: made.csv"],
])("%j names its line", async (text, message) => {
  const bytes = text.includes("\xff") ? Buffer.from(text, "latin1") : Buffer.from(text);
  const thrown: unknown = await csvTable(loggedSource(bytes, "made.csv"))
    .then((reader) => readCsv(reader))
    .catch((error: unknown) => error);
  expect(isRiffleError(thrown) && `${thrown.code}: ${thrown.message}`).toBe(message);
});

test("a value that does not fit the first block's type is an error with its line, unless its column is left out", async () => {
  const text = `n,w\n${Array.from({ length: 200_000 }, (_, row) => `${row},w\n`).join("")}abc,w\n`;
  expect(await failing(text)).toBe(
    'malformed: line 200002 has "abc" in column "n", which is Int64 by the first block of the file',
  );
  expect((await readCsv(await csvTable(source(text)), { columns: ["w"] })).split("\n")).toHaveLength(200_003);
});

test("a quote that never closes ends in an error, not in all of the memory", async () => {
  expect(await failing(`a,b\n1,2\n"${"x,y\n".repeat(5_000_000)}`)).toBe(
    "malformed: the row at line 3 is longer than 16 MiB",
  );
  expect(await failing(`"${"x".repeat(2 * MIB)}`)).toMatch(/^unsupported: the first row is longer than 1048576 bytes/);
});

test.each([
  ["id\n007\n008\n", "Utf8"],
  ["id\n9223372036854775807\n", "Int64"],
  ["id\n9223372036854775808\n", "Utf8"],
  ["id\n1\n0.5\n", "Float64"],
  ["id\n9007199254740993\n0.5\n", "Utf8"],
  ["id\n1e999\n", "Utf8"],
  ["id\nNaN\ninf\n", "Float64"],
  ["id\n2024-02-30\n", "Utf8"],
  ["id\n2024-02-29\n2024-02-29 10:00:00\n", "Timestamp<MICROSECOND>"],
  ["id\n2024-02-29T10:00:00.123456789\n", "Timestamp<NANOSECOND>"],
  ["id\n2024-02-29T10:00:00+02:00\n", "Timestamp<MICROSECOND, UTC>"],
  ["id\n2024-02-29T10:00:00+02:00\n2024-02-29T10:00:00\n", "Utf8"],
  ["id\ntrue\nfalse\n", "Bool"],
  ["id\n\n", "Utf8"],
])("%j is %s", async (text, type) => {
  expect((await csvTable(source(text))).metadata.columns.map((column) => column.type)).toEqual([type]);
});

test.each([
  ["1,2\n3,4\n", "column0,column1\n1,2\n3,4\n"],
  ["a,a,\n1,2,3\n", "a,a_1,column2\n1,2,3\n"],
  [",x\n0,1\n", "column0,x\n0,1\n"],
  ["a,b\n", "a,b\n"],
  ["", "\n"],
  ["a\n1\n\n3\n", "a\n1\n\n3\n"],
  ["a,b\n1,2\n\n3,4", "a,b\n1,2\n3,4\n"],
])("names and rows of %j", async (text, table) => {
  expect(await reading(text)).toBe(table);
});

test("an empty field is null and a quoted one is the empty text, whatever stands around", async () => {
  const text = 'a,b,c\n"",,""\n"x ""y"" z",""," "\n"""","a,""""b",\n,,""\n';
  expect(await reading(text)).toBe(text);
});

test("info tells the dialect from one block", async () => {
  const { facts } = await csv.info(source("\ufeffname;size\nx;1,5\ny;2\n"));
  expect(facts).toEqual({
    delimiter: "semicolon",
    header: true,
    rows: 2,
    columns: [
      { name: "name", type: "Utf8" },
      { name: "size", type: "Utf8" },
    ],
  });
});

test("a box is refused", async () => {
  const reader = await csvTable(source("a\n1\n"));
  expect(() => reader.scan({ bbox: { west: 0, south: 0, east: 1, north: 1 } })).toThrow("a csv file has no geometry");
});

const textValue = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("", " ", '"', ",", "\n", "\r\n", "a;b|c", "\ufeff", "null", "x\ty"),
);
const table = fc.record({
  rows: fc.array(
    fc.tuple(
      fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      fc.option(textValue),
      fc.option(fc.double({ noDefaultInfinity: false })),
      fc.option(fc.boolean()),
    ),
    { maxLength: 40 },
  ),
});

test("what the writer writes reads back as it was", async () => {
  const schema = new Schema([
    new Field("i", new Int64(), true),
    new Field("t", new Utf8(), true),
    new Field("f", new Float64(), true),
    new Field("b", new Bool(), true),
  ]);
  await fc.assert(
    fc.asyncProperty(table, async ({ rows }) => {
      const columns = schema.fields.map(({ type }, index) =>
        columnData(
          type,
          rows.map((row): ColumnValue => row[index]),
        ),
      );
      const text = (
        await written([recordBatch(schema, { columns, rows: rows.length })], { schema, format: "csv" })
      ).toString();
      // Types may be told otherwise (a text of digits), the text of the values not.
      expect(await reading(text)).toBe(text);
    }),
    { numRuns: 300, seed: 4 },
  );
});

const folder = join(import.meta.dirname, "../../../node_modules/vega-datasets/data");
describe("real files", () => {
  test.each(readdirSync(folder).filter((name) => /\.[ct]sv$/.test(name)))(
    "%s reads, with as many rows as it has lines",
    async (name) => {
      const bytes = readFileSync(join(folder, name));
      const reader = await csvTable(loggedSource(bytes, name));
      const text = await readCsv(reader);
      const again = await readCsv(await csvTable(source(text)));
      expect(again).toBe(text);
      if (!bytes.includes('"'))
        expect(text.trimEnd().split("\n")).toHaveLength(bytes.toString().trimEnd().split(/\r?\n/).length);
    },
  );
});

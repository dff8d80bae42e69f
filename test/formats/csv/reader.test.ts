import { expect, test } from "vitest";
import { csvTable } from "../../../src/formats/csv/reader.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { readCsv } from "../read-table.ts";

const source = (text: string) => loggedSource(Buffer.from(text), "made.csv");
const typesOf = async (text: string) => (await csvTable(source(text))).metadata.columns.map(({ type }) => type);

test("header, types and values are told from the content", async () => {
  const text =
    "id,name,price,ok,day,at\n1,Ada,1.5,true,2024-02-29,2024-02-29T12:00:00.123456Z\n9007199254740993,,-0.25,false,,\n";
  const reader = await csvTable(source(text));
  expect(reader.metadata.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
    "id Int64",
    "name Utf8",
    "price Float64",
    "ok Bool",
    "day Date32<DAY>",
    "at Timestamp<MICROSECOND, UTC>",
  ]);
  expect(reader.metadata.rows).toBe(2);
  expect(await readCsv(reader)).toBe(text);
});

test.each([
  ["a;b\n1,5;2\n", ["Utf8", "Int64"]],
  ["a\tb\n1\t2\n", ["Int64", "Int64"]],
  ["a|b\nx|y\n", ["Utf8", "Utf8"]],
  ["a\n1\n", ["Int64"]],
  ["\ufeffa,b\n1,2\n", ["Int64", "Int64"]],
  ["a,b\r\n1,2\r\n", ["Int64", "Int64"]],
  ["a,b\r1,2\r", ["Int64", "Int64"]],
])("the dialect of %j", async (text, types) => {
  expect(await typesOf(text)).toEqual(types);
});

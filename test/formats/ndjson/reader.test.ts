import { expect, test } from "vitest";
import { isRiffleError } from "../../../src/errors.ts";
import { ndjsonTable } from "../../../src/formats/ndjson/reader.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import type { TableQuery } from "../../../src/formats/table.ts";
import { written } from "../../cli/table/written.ts";
import { loggedSource, type LoggedSource } from "../../support/logged-source.ts";
import { readCsv } from "../read-table.ts";

const source = (text: string): LoggedSource => loggedSource(Buffer.from(text), "made.ndjson");
const typesOf = async (text: string): Promise<readonly string[]> =>
  (await ndjsonTable(source(text))).metadata.columns.map(({ name, type }) => `${name} ${type}`);

async function asNdjson(text: string, query: TableQuery = {}): Promise<string> {
  const reader = await ndjsonTable(source(text));
  const batches = [];
  for await (const batch of reader.scan(query)) batches.push(batch);
  const schema = batches[0]?.schema;
  return schema === undefined ? "" : (await written(batches, { schema, format: "ndjson" })).toString();
}

test("values of every kind come back as they were, integers with all of their digits", async () => {
  const text =
    '{"i":1,"w":9007199254740993,"f":0.5,"b":true,"t":"a\\nb","l":[1,null,3],"o":{"x":1,"y":[]},"m":1,"n":null}\n' +
    '{"i":-2,"w":-9223372036854775808,"f":2,"b":null,"t":"","l":[],"o":{"x":null,"y":["z"]},"m":"two","n":null}\n';
  expect(await typesOf(text)).toEqual([
    "i Int64",
    "w Int64",
    "f Float64",
    "b Bool",
    "t Utf8",
    "l List<Int64>",
    "o Struct<{x:Int64, y:List<Utf8>}>",
    "m Utf8",
    "n Utf8",
  ]);
  expect(await asNdjson(text)).toBe(text);
});

test("integers beyond 64 bits, beside doubles that they do not fit, and in nested places keep their digits", async () => {
  const text =
    '{"a":18446744073709551616,"b":9007199254740993,"c":{"__proto__":12345678901234567890}}\n{"a":1,"b":0.5,"c":null}\n';
  expect(await asNdjson(text)).toBe(text);
});

test("a dotted column is a field of a struct, null where the struct is", async () => {
  const text = '{"p":{"x":1,"y":"a"}}\n{"p":null}\n{"p":{"x":3,"y":null}}\n';
  expect(await readCsv(await ndjsonTable(source(text)), { columns: ["p.x", "p.y"] })).toBe("p.x,p.y\n1,a\n,\n3,\n");
});

test("predicates and limits hold, and a limit touches one block", async () => {
  const text = Array.from({ length: 200_000 }, (_, row) => `{"row":${row},"word":"w${row % 7}"}\n`).join("");
  const big = source(text);
  const reader = await ndjsonTable(big);
  const where = await parsePredicate("word = 'w3' and row > 20");
  expect(await readCsv(reader, { where, limit: 2, columns: ["row"] })).toBe("row\n24\n31\n");
  expect(big.calls).toEqual([[{ start: 0, end: 1024 * 1024 }]]);
  const all = await readCsv(reader, { columns: ["row"] });
  expect(all.split("\n")).toHaveLength(200_002);
  // The first block is not read again; the others come in windows that double.
  expect(big.bytes()).toBe(text.length);
  expect(big.calls.length).toBeLessThanOrEqual(1 + Math.ceil(Math.log2(text.length / (1024 * 1024))) + 1);
});

test.each([
  ['{"a":1}\n{"a":}\n', "line 2 is no JSON"],
  ['{"a":1}\n\n[1]\n', "line 3 is no JSON object"],
  [`{"a":${"[".repeat(70)}${"]".repeat(70)}}`, "line 1 is no JSON"],
])("%j is refused with its line", async (text, message) => {
  const thrown: unknown = await ndjsonTable(source(text)).catch((error: unknown) => error);
  expect(isRiffleError(thrown) && `${thrown.code}: ${thrown.message}`).toBe(`malformed: ${message}`);
});

test("what the first block does not show is an error that names the line, unless other columns were asked for", async () => {
  const rows = Array.from({ length: 60_000 }, (_, row) => `{"row":${row},"word":"w${row % 7}"}\n`);
  const late = [...rows, '{"row":"x"}\n'].join("");
  const more = [...rows, '{"row":1,"extra":2}\n'].join("");
  await expect(readCsv(await ndjsonTable(source(late)))).rejects.toThrow(
    'line 60001 has a value in column "row" that does not fit Int64',
  );
  await expect(readCsv(await ndjsonTable(source(more)))).rejects.toThrow('line 60001 has "extra"');
  expect((await readCsv(await ndjsonTable(source(late)), { columns: ["word"] })).split("\n")).toHaveLength(60_003);
  expect((await readCsv(await ndjsonTable(source(more)), { columns: ["row"] })).split("\n")).toHaveLength(60_003);
});

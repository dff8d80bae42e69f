import { PassThrough } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { Field, Float64, Int64, RecordBatch, Schema, tableFromIPC, Utf8 } from "apache-arrow";
import { expect, test } from "vitest";
import { OutputClosed } from "../../../src/cli/output.ts";
import { streamOutput } from "../../../src/cli/table/text-buffer.ts";
import { textWidth } from "../../../src/cli/table/text-width.ts";
import { writeTable } from "../../../src/cli/table/write-table.ts";
import { columnData, type ColumnValue } from "../../../src/formats/build/column-data.ts";
import { recordBatch } from "../../../src/formats/build/record-batch.ts";
import { written } from "./written.ts";

const schema = new Schema([
  new Field("id", new Int64(), true),
  new Field("na,me", new Utf8(), true),
  new Field("x", new Float64(), true),
]);
const batchOf = (rows: readonly (readonly ColumnValue[])[]): RecordBatch =>
  recordBatch(schema, {
    columns: schema.fields.map(({ type }, index) =>
      columnData(
        type,
        rows.map((row) => row[index]),
      ),
    ),
    rows: rows.length,
  });
const batches = [
  batchOf([
    [1n, 'say "hi"', 0.5],
    [null, null, NaN],
  ]),
  batchOf([[2n ** 62n, "", -1]]),
];

test("csv quotes by RFC 4180, and tells null from the empty text", async () => {
  expect((await written(batches, { schema, format: "csv" })).toString()).toBe(
    'id,"na,me",x\n1,"say ""hi""",0.5\n,,NaN\n4611686018427387904,"",-1\n',
  );
  expect((await written([], { schema, format: "csv" })).toString()).toBe('id,"na,me",x\n');
});

test("json is one array, ndjson one object a line; both are JSON when there are no rows", async () => {
  const lines = [
    '{"id":1,"na,me":"say \\"hi\\"","x":0.5}',
    '{"id":null,"na,me":null,"x":"NaN"}',
    '{"id":4611686018427387904,"na,me":"","x":-1}',
  ];
  expect((await written(batches, { schema, format: "ndjson" })).toString()).toBe(`${lines.join("\n")}\n`);
  expect((await written(batches, { schema, format: "json" })).toString()).toBe(`[\n${lines.join(",\n")}\n]\n`);
  expect((await written([], { schema, format: "json" })).toString()).toBe("[]\n");
  expect((await written([], { schema, format: "ndjson" })).toString()).toBe("");
});

test("markdown escapes what would be markup", async () => {
  const text = (await written([batchOf([[1n, "a|b\n<i>*x*</i>", 2]])], { schema, format: "markdown" })).toString();
  expect(text).toBe("| id | na,me | x |\n| --: | --- | --: |\n| 1 | a\\|b<br>&lt;i>\\*x\\*&lt;/i> | 2 |\n");
});

test("arrow is one stream that the package reads back, empty or not, whatever the batches say of nullability", async () => {
  const other = new RecordBatch(
    new Schema(schema.fields.map(({ name, type }) => new Field(name, type, false))),
    batchOf([[5n, "z", 1]]).data,
  );
  const table = tableFromIPC(await written([...batches, other], { schema, format: "arrow" }));
  expect(table.batches).toHaveLength(3);
  expect([...(table.getChild("id") ?? [])]).toEqual([1n, null, 2n ** 62n, 5n]);
  expect(tableFromIPC(await written([], { schema, format: "arrow" })).schema.fields.map(({ name }) => name)).toEqual([
    "id",
    "na,me",
    "x",
  ]);
});

test("the table for terminals aligns, cuts, hides and says what it left out", async () => {
  const rows = Array.from({ length: 50 }, (_, row) => [
    BigInt(row),
    row === 1 ? null : `日本 ${"long ".repeat(30)}`,
    row / 4,
  ]);
  const view = { width: 40, maxRows: 3, totalRows: 1234 };
  const text = (await written([batchOf(rows)], { schema, format: "aligned", view })).toString();
  const lines = text.trimEnd().split("\n");
  expect(lines).toHaveLength(6);
  expect(lines.every((line) => textWidth(line) <= 40)).toBe(true);
  expect(lines[0]).toMatch(/^id {2}na,me +x$/);
  expect(lines[2]).toMatch(/^ 0 {2}日本 long .*… {2} *0$/);
  expect(lines[3]).toMatch(/^ 1 {2}null +0\.25$/);
  expect(lines[5]).toBe("… 1,231 more rows");
});

test("the table for terminals reads no further than it shows, and lets no control character through", async () => {
  let given = 0;
  const endless = async function* (): AsyncGenerator<RecordBatch> {
    for (;;) {
      given++;
      yield batchOf(Array.from({ length: 10 }, () => [1n, "\u001b[31mred\n\u202e", 1]));
    }
  };
  const parts: Uint8Array[] = [];
  const output = { bytes: async (bytes: Uint8Array) => void parts.push(bytes) };
  await writeTable(endless(), { format: "aligned", output, schema, view: { maxRows: 25 } });
  expect(given).toBe(3);
  const text = Buffer.concat(parts).toString();
  expect(text).toContain("\\u{1b}[31mred\\n\\u{202e}");
  expect(text).toContain("… more rows");
  // oxlint-disable-next-line no-control-regex -- control characters are what this looks for
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
});

test("columns that do not fit are counted", async () => {
  const wide = new Schema(Array.from({ length: 30 }, (_, index) => new Field(`column ${index}`, new Int64(), true)));
  const batch = recordBatch(wide, { columns: wide.fields.map(({ type }) => columnData(type, [1n])), rows: 1 });
  const text = (await written([batch], { schema: wide, format: "aligned", view: { width: 40 } })).toString();
  expect(text).toMatch(/\n… 25 more columns\n$/);
  expect(text.split("\n").every((line) => textWidth(line) <= 40)).toBe(true);
});

test("a slow reader holds the batches back, and one that leaves ends them quietly", async () => {
  const stream = new PassThrough({ highWaterMark: 1024 });
  let given = 0;
  let ended = false;
  const many = async function* (): AsyncGenerator<RecordBatch> {
    try {
      for (let batch = 0; batch < 100; batch++) {
        given++;
        yield batchOf(Array.from({ length: 2000 }, () => [1n, "x".repeat(60), 1]));
      }
    } finally {
      ended = true;
    }
  };
  const output = streamOutput(stream);
  const done = writeTable(many(), { format: "csv", output, schema }).catch((error: unknown) => error);
  for (let wait = 0; wait < 50; wait++) await turn();
  // Nobody reads: one batch is on its way, and at most one more was asked for.
  expect(given).toBeLessThanOrEqual(2);
  stream.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
  expect(await done).toBeInstanceOf(OutputClosed);
  expect(ended).toBe(true);
});

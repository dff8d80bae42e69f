import {
  DateDay,
  Decimal,
  Dictionary,
  Field,
  Int32,
  Int64,
  List,
  Map_,
  type RecordBatch,
  Schema,
  Struct,
  tableFromIPC,
  TimestampMicrosecond,
  Utf8,
} from "apache-arrow";
import { expect, test } from "vitest";
import { columnData } from "../../src/formats/build/column-data.ts";
import { emptyBatch, recordBatch } from "../../src/formats/build/record-batch.ts";
import { parsePredicate } from "../../src/formats/predicate/parse-predicate.ts";
import { bindRows } from "../../src/formats/rows.ts";
import { written } from "../cli/table/written.ts";

const point = new Struct([new Field("x", new Int32(), true), new Field("y", new Int32(), true)]);
const schema = new Schema([
  new Field("a", new Int64(), true),
  new Field("p", point, true),
  new Field("w", new Utf8(), true),
]);

/** Ten batches of ten rows; `p` is null in every fifth row. Counts how many were asked for. */
function counted(needed: readonly number[]): { batches: AsyncGenerator<RecordBatch>; asked: () => number } {
  let asked = 0;
  const wanted = schema.selectAt([...needed]);
  const all = async function* (): AsyncGenerator<RecordBatch> {
    for (let batch = 0; batch < 10; batch++) {
      asked++;
      const rows = Array.from({ length: 10 }, (_, row) => batch * 10 + row);
      const values = [
        rows.map(BigInt),
        rows.map((row) => (row % 5 === 0 ? null : { x: row, y: -row })),
        rows.map((row) => `w${row % 3}`),
      ];
      yield recordBatch(wanted, {
        columns: needed.map((index, at) => columnData(wanted.fields[at]?.type as Utf8, values[index] ?? [])),
        rows: 10,
      });
    }
  };
  return { batches: all(), asked: () => asked };
}

test("only the columns that are shown or tested are needed, and they come out in the order asked for", async () => {
  const bound = bindRows(schema, { columns: ["w", "p.y"], where: await parsePredicate("p.x in (11, 12, 17)") });
  expect(bound.needed).toEqual([1, 2]);
  const text = await written(bound.run(counted(bound.needed).batches), { schema: bound.schema, format: "csv" });
  expect(text.toString()).toBe("w,p.y\nw2,-11\nw0,-12\nw2,-17\n");
});

test("a limit ends the reading with the batch that meets it", async () => {
  const bound = bindRows(schema, { columns: ["a"], where: await parsePredicate("w = 'w1'"), limit: 5 });
  const { batches, asked } = counted(bound.needed);
  const text = await written(bound.run(batches), { schema: bound.schema, format: "csv" });
  expect(text.toString()).toBe("a\n1\n4\n7\n10\n13\n");
  expect(asked()).toBe(2);
  const none = bindRows(schema, { limit: 0 });
  const unread = counted(none.needed);
  expect((await written(none.run(unread.batches), { schema: none.schema, format: "csv" })).toString()).toBe("a,p,w\n");
  expect(unread.asked()).toBe(0);
});

test("a result without rows is one batch that tells its schema", async () => {
  const bound = bindRows(schema, { where: await parsePredicate("a < 0") });
  const batches = [];
  for await (const batch of bound.run(counted(bound.needed).batches)) batches.push(batch);
  expect(batches.map(({ numRows }) => numRows)).toEqual([0]);
  expect(batches[0]?.schema.fields.map(({ name }) => name)).toEqual(["a", "p", "w"]);
});

test("batches without rows are written and read back, of any type", async () => {
  const entries = new Struct([new Field("key", new Utf8(), false), new Field("value", new Int64(), true)]);
  const all = new Schema([
    ...schema.fields,
    new Field("l", new List(new Field("item", point, true)), true),
    new Field("m", new Map_(new Field("entries", entries, false) as never), true),
    new Field("d", new Dictionary(new Utf8(), new Int32()), true),
    new Field("n", new Decimal(2, 10), true),
    new Field("t", new TimestampMicrosecond("UTC"), true),
    new Field("day", new DateDay(), true),
  ]);
  const table = tableFromIPC(await written([emptyBatch(all)], { schema: all, format: "arrow" }));
  expect(table.numRows).toBe(0);
  expect(table.schema.fields.map(({ name }) => name)).toEqual(all.fields.map(({ name }) => name));
});

test("unknown columns and limits that are none are usage errors", () => {
  expect(() => bindRows(schema, { columns: ["p.z"] })).toThrow('there is no column "p.z"');
  expect(() => bindRows(schema, { columns: ["A"] })).toThrow("there is no column");
  expect(() => bindRows(schema, { limit: -1 })).toThrow("a limit is a whole number");
  expect(() => bindRows(schema, { limit: 1.5 })).toThrow("a limit is a whole number");
});

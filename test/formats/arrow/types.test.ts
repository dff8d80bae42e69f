import {
  Binary,
  Bool,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  IntervalMonthDayNano,
  LargeBinary,
  LargeUtf8,
  List,
  Map_,
  Null,
  RecordBatchFileWriter,
  Struct,
  Table,
  tableToIPC,
  TimeMicrosecond,
  TimestampNanosecond,
  Uint16,
  Uint8,
  Utf8,
  vectorFromArray,
  type DataType,
  type Vector,
} from "apache-arrow";
import { describe, expect, test } from "vitest";
import { isRiffleError } from "../../../src/errors.ts";
import { arrowTable } from "../../../src/formats/arrow/reader.ts";
import { loggedSource } from "../../support/logged-source.ts";
import { written } from "../../cli/table/written.ts";
import { readCsv } from "../read-table.ts";

const entries = new Struct([new Field("key", new Utf8(), false), new Field("value", new Int32(), true)]);
const point = new Struct([new Field("x", new Float64(), true), new Field("label", new Utf8(), true)]);
const columns: readonly (readonly [name: string, type: DataType, values: readonly unknown[]])[] = [
  ["int8", new Int8(), [1, null, -128]],
  ["int16", new Int16(), [1, null, -32_768]],
  ["uint8", new Uint8(), [255, 0, null]],
  ["uint16", new Uint16(), [65_535, 0, null]],
  ["int64", new Int64(), [2n ** 62n, null, -1n]],
  ["float16", new Float16(), [0.5, null, -2]],
  ["float32", new Float32(), [0.1, null, 3]],
  ["float64", new Float64(), [0.1, null, Infinity]],
  ["bool", new Bool(), [true, null, false]],
  ["utf8", new Utf8(), ["é", null, ""]],
  ["large", new LargeUtf8(), ["a", null, "日本"]],
  ["binary", new Binary(), [Uint8Array.of(1, 2), null, Uint8Array.of()]],
  ["largeBinary", new LargeBinary(), [Uint8Array.of(1), null, Uint8Array.of(255)]],
  ["fixed", new FixedSizeBinary(2), [Uint8Array.of(1, 2), null, Uint8Array.of(3, 4)]],
  ["day", new DateDay(), [new Date(0), null, new Date(86_400_000)]],
  ["time", new TimeMicrosecond(), [1n, null, 86_399_999_999n]],
  ["stamp", new TimestampNanosecond("UTC"), [0, null, 1000]],
  [
    "decimal",
    new Decimal(2, 20, 128),
    [Uint32Array.of(5, 0, 0, 0), null, Uint32Array.of(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff)],
  ],
  ["list", new List(new Field("item", new Int32(), true)), [[1, null], null, []]],
  ["pairs", new FixedSizeList(2, new Field("item", new Int32(), true)), [[1, 2], null, [3, 4]]],
  ["struct", point, [{ x: 1, label: "a" }, null, { x: null, label: null }]],
  ["points", new List(new Field("item", point, true)), [[{ x: 1, label: "a" }], null, []]],
  ["map", new Map_(new Field("entries", entries, false) as never), [new Map([["k", 1]]), null, new Map()]],
  ["word", new Dictionary(new Utf8(), new Int8()), ["a", null, "b"]],
  ["nothing", new Null(), [null, null, null]],
  ["interval", new IntervalMonthDayNano(), [Int32Array.of(1, 2, 3, 0), null, Int32Array.of(0, 0, 0, 0)]],
];
const table = new Table(
  Object.fromEntries(columns.map(([name, type, values]) => [name, vectorFromArray(values, type) as Vector])),
);

test.each(["file"] as const)("every type comes back from a %s as the package has it", async (kind) => {
  await using reader = await arrowTable(loggedSource(tableToIPC(table, kind)));
  expect(reader.metadata.columns.map(({ name }) => name)).toEqual(columns.map(([name]) => name));
  expect(reader.metadata.columns.map(({ type }) => type)).toEqual(table.schema.fields.map(({ type }) => String(type)));
  const batches = [];
  for await (const batch of reader.scan({})) batches.push(batch);
  for (const format of ["ndjson", "csv"] as const) {
    const expected = (await written(table.batches, { schema: table.schema, format })).toString();
    expect((await written(batches, { schema: table.schema, format })).toString()).toBe(expected);
  }
});

test.each(columns.map(([name]) => name))("column %s alone is the same as among all", async (name) => {
  await using reader = await arrowTable(loggedSource(tableToIPC(table, "file")));
  const expected = (
    await written(table.select([name]).batches, { schema: table.select([name]).schema, format: "csv" })
  ).toString();
  expect(await readCsv(reader, { columns: [name] })).toBe(expected);
});

test("nested fields are chosen by dotted names", async () => {
  await using reader = await arrowTable(loggedSource(tableToIPC(table, "file")));
  expect(await readCsv(reader, { columns: ["struct.label", "int8"] })).toBe("struct.label,int8\na,1\n,\n,-128\n");
});

test.each([
  ["a stream", () => tableToIPC(table, "stream"), "does not end in ARROW1"],
  ["nothing", () => new Uint8Array(), "an Arrow file of 0 bytes"],
  ["half of a file", () => tableToIPC(table, "file").subarray(0, 2000), "does not end in ARROW1"],
])("%s is refused", async (_, bytes, message) => {
  const thrown: unknown = await arrowTable(loggedSource(bytes())).catch((error: unknown) => error);
  expect(isRiffleError(thrown) && thrown.code).toBe("malformed");
  expect((thrown as Error).message).toContain(message);
});

describe("damaged files", () => {
  const bytes = RecordBatchFileWriter.writeAll(table).toUint8Array(true);

  test.each(["footer", "messages", "bodies"])(
    "any bytes changed in the %s: rows, or an error that is one",
    { timeout: 60_000 },
    async (where) => {
      let seed = 2024;
      const random = (below: number): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
      const footer = bytes.length - 10 - new DataView(bytes.buffer, bytes.byteOffset).getInt32(bytes.length - 10, true);
      let errors = 0;
      for (let round = 0; round < 400; round++) {
        const damaged = bytes.slice();
        for (let change = 0; change <= round % 4; change++) {
          const at = where === "footer" ? footer + random(bytes.length - footer - 6) : random(footer);
          damaged[at] = where === "messages" ? random(256) : (damaged[at] ?? 0) ^ (1 << random(8));
        }
        const thrown: unknown = await arrowTable(loggedSource(damaged))
          .then((reader) => readCsv(reader))
          .catch((error: unknown) => error);
        if (isRiffleError(thrown)) errors++;
        else expect(typeof thrown, `round ${round}: ${String(thrown)} ${(thrown as Error).stack ?? ""}`).toBe("string");
      }
      expect(errors).toBeGreaterThan(20);
    },
  );
});

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DenseUnion,
  Dictionary,
  Field,
  FixedSizeList,
  Int32,
  LargeUtf8,
  makeData,
  Null,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  tableFromIPC,
  Utf8,
  vectorFromArray,
  type Data,
} from "apache-arrow";
import { readParquet } from "parquet-wasm";
import { expect, test } from "vitest";
import { takeRows, trueRows } from "../../../src/formats/predicate/take-rows.ts";
import { duckdb } from "./duckdb-child.ts";
import { everyType } from "./every-type.ts";
import { seeded } from "./random-predicates.ts";

/** Every value of a row as text, digits and nested values included. */
function textOf(batch: RecordBatch, row: number): string {
  return JSON.stringify(
    batch.schema.fields.map((_, column) => batch.getChildAt(column)?.get(row) as unknown),
    (_, value: unknown) =>
      typeof value === "bigint" ? `${value}n` : typeof value === "number" ? String(value) : value,
  );
}

function checkTaken(batch: RecordBatch, rows: Uint32Array): void {
  const taken = takeRows(batch, rows);
  expect(taken.schema.fields.map(String)).toEqual(batch.schema.fields.map(String));
  expect(taken.numRows).toBe(rows.length);
  expect(Array.from(rows, (_, i) => textOf(taken, i))).toEqual(Array.from(rows, (row) => textOf(batch, row)));
  // It can be written, which asks more of buffers than reading values does.
  const writer = new RecordBatchStreamWriter();
  writer.write(taken);
  const again = tableFromIPC(writer.finish().toUint8Array(true)).batches[0];
  if (rows.length > 0) {
    if (again === undefined) throw new Error("nothing was written");
    expect(Array.from(rows, (_, i) => textOf(again, i))).toEqual(Array.from(rows, (row) => textOf(batch, row)));
  }
}

test("rows of every type, of whole batches and of slices", async () => {
  const folder = mkdtempSync(join(tmpdir(), "riffle-take-"));
  try {
    const path = join(folder, "t.parquet");
    await duckdb([], { setup: [`COPY (${everyType(120)}) TO '${path}' (FORMAT parquet)`] });
    const [batch] = tableFromIPC(readParquet(readFileSync(path), { batchSize: 1000 }).intoIPCStream()).batches;
    if (batch === undefined) throw new Error("no batch");
    const random = seeded(7);
    for (const chance of [0, 0.02, 0.5, 1]) {
      const truths = Uint8Array.from({ length: batch.numRows }, () => (random() < chance ? 1 : random() < 0.5 ? 2 : 0));
      checkTaken(batch, trueRows(truths));
      const slice = batch.slice(13, 91);
      checkTaken(slice, trueRows(truths.subarray(0, slice.numRows)));
    }
    checkTaken(batch, Uint32Array.of(119, 0, 0, 50));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

test("dictionaries, long offsets, lists of one size, unions, nothing", () => {
  const numbers = makeData({ type: new Int32(), length: 12, data: Int32Array.from({ length: 12 }, (_, i) => i) });
  const words = vectorFromArray(["a", null, "c", "d"], new Utf8()).data[0];
  const columns: readonly (Data | undefined)[] = [
    vectorFromArray(["x", "y", null, "x"], new Dictionary(new Utf8(), new Int32())).data[0],
    vectorFromArray(["long", null, "", "ü"], new LargeUtf8()).data[0],
    makeData({
      type: new FixedSizeList(3, new Field("item", new Int32())),
      length: 4,
      nullCount: 1,
      nullBitmap: Uint8Array.of(0b1101),
      child: numbers,
    }),
    makeData({
      type: new DenseUnion([0, 1], [new Field("n", new Int32()), new Field("w", new Utf8())]),
      length: 4,
      typeIds: Int8Array.of(0, 1, 1, 0),
      valueOffsets: Int32Array.of(5, 0, 1, 2),
      children: [numbers, words ?? numbers],
    }),
    makeData({ type: new Null(), length: 4 }),
  ];
  const children = columns.flatMap((data) => data ?? []);
  const fields = children.map((data, i) => new Field(`c${i}`, data.type, true));
  const data = makeData({ type: new Struct(fields), length: 4, nullCount: 0, children });
  const batch = new RecordBatch(new Schema(fields), data);
  expect(children).toHaveLength(5);
  for (const rows of [[0, 1, 2, 3], [3, 1], [2], []]) {
    const taken = takeRows(batch, Uint32Array.from(rows));
    expect(rows.map((_, i) => textOf(taken, i))).toEqual(rows.map((row) => textOf(batch, row)));
    const slice = batch.slice(1, 4);
    const within = rows.filter((row) => row > 0).map((row) => row - 1);
    const cut = takeRows(slice, Uint32Array.from(within));
    expect(within.map((_, i) => textOf(cut, i))).toEqual(within.map((row) => textOf(batch, row + 1)));
  }
});

test("only what is true is taken, up to a limit", () => {
  expect([...trueRows(Uint8Array.of(1, 0, 2, 1, 1))]).toEqual([0, 3, 4]);
  expect([...trueRows(Uint8Array.of(1, 0, 2, 1, 1), 2)]).toEqual([0, 3]);
  expect([...trueRows(new Uint8Array(3))]).toEqual([]);
});

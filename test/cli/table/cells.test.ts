import {
  Binary,
  Bool,
  Data,
  DateDay,
  DateMillisecond,
  Decimal,
  Dictionary,
  DurationMicrosecond,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int32,
  Int64,
  Int8,
  IntervalDayTime,
  IntervalMonthDayNano,
  IntervalYearMonth,
  LargeUtf8,
  List,
  makeData,
  Map_,
  Struct,
  TimeMillisecond,
  TimeNanosecond,
  TimestampMicrosecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint64,
  Utf8,
  vectorFromArray,
  type DataType,
} from "apache-arrow";
import { expect, test } from "vitest";
import { cellsOf, jsonText } from "../../../src/cli/table/cells.ts";

/** A column over a buffer of values: what a file would give. */
const fixed = (type: DataType, values: ArrayBufferView & ArrayLike<unknown>, rows: number): Data =>
  new Data(type, 0, rows, 0, [undefined, values, undefined, undefined] as never);
const textsOf = (data: Data, metadata?: Map<string, string>): readonly (string | undefined)[] => {
  const { at } = cellsOf(new Field("x", data.type, true, metadata), data);
  return Array.from({ length: data.length }, (_, row) => at(row));
};
const jsonOf = (data: Data): readonly string[] => {
  const cells = cellsOf(new Field("x", data.type, true), data);
  return Array.from({ length: data.length }, (_, row) => jsonText(cells, row));
};
const first = (values: readonly unknown[], type: DataType): Data => vectorFromArray(values, type).data[0] as Data;

test("integers keep every digit", () => {
  expect(textsOf(fixed(new Int64(), BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n), 2))).toEqual([
    "-9223372036854775808",
    "9223372036854775807",
  ]);
  expect(jsonOf(fixed(new Uint64(), BigUint64Array.of(2n ** 64n - 1n), 1))).toEqual(["18446744073709551615"]);
  expect(textsOf(fixed(new Int8(), Int8Array.of(-128), 1))).toEqual(["-128"]);
});

test("floats are the shortest text that reads back, and JSON has strings for what it has no numbers for", () => {
  const doubles = fixed(new Float64(), Float64Array.of(0.1, -0, 1e300, NaN, -Infinity, 5e-324), 6);
  expect(textsOf(doubles)).toEqual(["0.1", "-0", "1e+300", "NaN", "-Infinity", "5e-324"]);
  expect(jsonOf(doubles)).toEqual(["0.1", "-0", "1e+300", '"NaN"', '"-Infinity"', "5e-324"]);
  expect(textsOf(fixed(new Float32(), Float32Array.of(0.1, 16_777_216, 1.5e-45), 3))).toEqual([
    "0.1",
    "16777216",
    "1.4013e-45",
  ]);
  const halves = fixed(new Float16(), Uint16Array.of(0x3c00, 0x8000, 0x7c00, 0x7e00, 0x0001), 5);
  expect(textsOf(halves)).toEqual(["1", "-0", "Infinity", "NaN", "5.960464477539063e-8"]);
});

test("decimals keep their scale, of any width", () => {
  const words = (value: bigint, count: number): number[] =>
    Array.from({ length: count }, (_, at) => Number(BigInt.asUintN(32, value >> BigInt(32 * at))));
  const column = (values: readonly bigint[], { scale, bits }: { scale: number; bits: number }): Data =>
    fixed(
      new Decimal(scale, 38, bits),
      Uint32Array.from(values.flatMap((value) => words(value, bits / 32))),
      values.length,
    );
  expect(textsOf(column([123456789012345678901234567n, -5n, 0n, 100n], { scale: 4, bits: 128 }))).toEqual([
    "12345678901234567890123.4567",
    "-0.0005",
    "0.0000",
    "0.0100",
  ]);
  expect(textsOf(column([-(10n ** 70n)], { scale: 0, bits: 256 }))).toEqual([`-1${"0".repeat(70)}`]);
  expect(textsOf(column([-12n], { scale: -3, bits: 128 }))).toEqual(["-12000"]);
});

test("times are ISO 8601 with all of their digits, instants in UTC", () => {
  expect(textsOf(fixed(new DateDay(), Int32Array.of(0, -1, 19782, -719529, 2932897), 5))).toEqual(
    ["1970-01-01", "1969-12-31", "2024-02-29", "-000001-12-31", "+010000-01-01"].map((text, index) =>
      index === 3 ? "-000001-12-31" : text,
    ),
  );
  expect(textsOf(fixed(new DateMillisecond(), BigInt64Array.of(86_400_000n, 1n), 2))).toEqual([
    "1970-01-02",
    "1970-01-01T00:00:00.001",
  ]);
  expect(
    textsOf(fixed(new TimestampNanosecond(null), BigInt64Array.of(1n, -1n, 1_700_000_000_123_456_789n), 3)),
  ).toEqual(["1970-01-01T00:00:00.000000001", "1969-12-31T23:59:59.999999999", "2023-11-14T22:13:20.123456789"]);
  expect(textsOf(fixed(new TimestampMicrosecond("Europe/Paris"), BigInt64Array.of(1_500_000n), 1))).toEqual([
    "1970-01-01T00:00:01.5Z",
  ]);
  expect(textsOf(fixed(new TimestampSecond("UTC"), BigInt64Array.of(253_402_300_800n), 1))).toEqual([
    "+010000-01-01T00:00:00Z",
  ]);
  expect(textsOf(fixed(new TimeNanosecond(), BigInt64Array.of(86_399_999_999_999n), 1))).toEqual([
    "23:59:59.999999999",
  ]);
  expect(textsOf(fixed(new TimeMillisecond(), Int32Array.of(60_500), 1))).toEqual(["00:01:00.5"]);
  expect(textsOf(fixed(new DurationMicrosecond(), BigInt64Array.of(-1_500_000n, 0n), 2))).toEqual(["PT-1.5S", "PT0S"]);
  expect(textsOf(fixed(new IntervalYearMonth(), Int32Array.of(14, -1), 2))).toEqual(["P1Y2M", "P-1M"]);
  expect(textsOf(fixed(new IntervalDayTime(), Int32Array.of(3, 1500), 1))).toEqual(["P3DT1.5S"]);
  const nanoseconds = Int32Array.of(1, 2, -1, -1, 0, 0, 0, 0);
  expect(textsOf(fixed(new IntervalMonthDayNano(), nanoseconds, 2))).toEqual(["P1M2DT-0.000000001S", "PT0S"]);
});

test("bytes are as DuckDB prints them, WKB is hex, UUIDs are UUIDs", () => {
  const bytes = first([Uint8Array.of(0, 0x41, 0x5c, 0x22, 0x27, 0xff, 0x20)], new Binary());
  expect(textsOf(bytes)).toEqual(["\\x00A\\x5C\\x22\\x27\\xFF "]);
  expect(textsOf(bytes, new Map([["ARROW:extension:name", "geoarrow.wkb"]]))).toEqual(["00415C2227FF20"]);
  const uuid = fixed(
    new FixedSizeBinary(16),
    Uint8Array.from({ length: 16 }, (_, at) => at),
    1,
  );
  expect(textsOf(uuid, new Map([["ARROW:extension:name", "arrow.uuid"]]))).toEqual([
    "00010203-0405-0607-0809-0a0b0c0d0e0f",
  ]);
});

test("nested values are JSON, nulls in them too", () => {
  const list = new List(new Field("item", new Int32(), true));
  expect(textsOf(first([[1, null, 3], null, []], list))).toEqual(["[1,null,3]", undefined, "[]"]);
  const struct = new Struct([new Field("a", new Utf8(), true), new Field("b", list, true)]);
  expect(
    textsOf(
      first(
        [
          { a: 'x"y', b: [1] },
          { a: null, b: null },
        ],
        struct,
      ),
    ),
  ).toEqual(['{"a":"x\\"y","b":[1]}', '{"a":null,"b":null}']);
  const entries = new Struct([new Field("key", new Utf8(), false), new Field("value", new Int64(), true)]);
  const map = first([new Map([["k", 2n ** 60n]])], new Map_(new Field("entries", entries, false) as never));
  expect(textsOf(map)).toEqual(['{"k":1152921504606846976}']);
  const pairs = new FixedSizeList(2, new Field("item", new Float64(), true));
  expect(
    textsOf(
      first(
        [
          [0.5, NaN],
          [1, 2],
        ],
        pairs,
      ),
    ),
  ).toEqual(['[0.5,"NaN"]', "[1,2]"]);
});

test("dictionaries, large text, booleans and slices read their own rows", () => {
  const words = first(["a", "b", null, "a"], new Dictionary(new Utf8(), new Int32()));
  expect(textsOf(words.slice(1, 3))).toEqual(["b", undefined, "a"]);
  expect(textsOf(first(["é", "", "日本"], new LargeUtf8()).slice(2, 1))).toEqual(["日本"]);
  expect(textsOf(first([true, null, false, true], new Bool()).slice(1, 3))).toEqual([undefined, "false", "true"]);
  const list = first([[1], [2, 3], [4]], new List(new Field("item", new Int32(), true))).slice(1, 2);
  expect(textsOf(list)).toEqual(["[2,3]", "[4]"]);
  const struct = first([{ a: 1 }, { a: 2 }], new Struct([new Field("a", new Int32(), true)])).slice(1, 1);
  expect(textsOf(struct)).toEqual(['{"a":2}']);
});

test("a null bitmap decides, whatever lies under it", () => {
  const data = makeData({
    type: new Int32(),
    data: Int32Array.of(7, 8),
    nullBitmap: Uint8Array.of(0b10),
    nullCount: 1,
  });
  expect(textsOf(data)).toEqual([undefined, "8"]);
});

import {
  Bool,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  Float32,
  Float64,
  Int32,
  Int64,
  RecordBatch,
  Schema,
  Struct,
  TimestampNanosecond,
  Uint64,
  Utf8,
  makeData,
  vectorFromArray,
  type DataType,
  type Vector,
} from "apache-arrow";
import { describe, expect, test } from "vitest";
import { bindPredicate } from "../../../src/formats/predicate/bind-predicate.ts";
import { matchRows } from "../../../src/formats/predicate/match-rows.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";

/** One batch of the columns; each must be of one chunk. */
function batchOf(columns: Readonly<Record<string, Vector>>): RecordBatch {
  const fields = Object.entries(columns).map(([name, vector]) => new Field(name, vector.type as DataType, true));
  const children = Object.values(columns).map((vector) => {
    const [data] = vector.data;
    if (data === undefined) throw new Error("a column has no data");
    return data;
  });
  const length = children[0]?.length ?? 0;
  return new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}

/** Truths as a word: T, F, and U where it is unknown. */
async function truths(batch: RecordBatch, text: string): Promise<string> {
  const bound = bindPredicate(await parsePredicate(text), batch.schema);
  return Array.from(matchRows(bound, batch), (truth) => "FTU"[truth]).join("");
}

const batch = batchOf({
  i: vectorFromArray([1, 2, null, -3], new Int32()),
  big: vectorFromArray([9007199254740993n, 9007199254740992n, null, -1n], new Int64()),
  u: vectorFromArray([18446744073709551615n, 0n, null, 5n], new Uint64()),
  f: vectorFromArray([0.1, NaN, null, -0], new Float64()),
  g: vectorFromArray([0.1, NaN, null, 16777216], new Float32()),
  s: vectorFromArray(["abc", "ü", null, ""], new Utf8()),
  b: vectorFromArray([true, false, null, true], new Bool()),
  d: vectorFromArray(["x", "y", null, "x"], new Dictionary(new Utf8(), new Int32())),
  day: vectorFromArray([new Date("2024-01-31"), new Date("1969-12-31"), null, new Date("2024-02-01")], new DateDay()),
});

describe("rows of every kind of column", () => {
  test.each([
    ["i = 1", "TFUF"],
    ["i <> 1", "FTUT"],
    ["i > 1.5", "FTUF"],
    ["i >= 1.5", "FTUF"],
    ["i < 1.5", "TFUT"],
    ["i = 1.5", "FFUF"],
    ["i <> 1.5", "TTUT"],
    ["i = 1.0", "TFUF"],
    ["i = 10e-1", "TFUF"],
    ["i < 99999999999999999999", "TTUT"],
    ["i > -99999999999999999999", "TTUT"],
    ["i = -99999999999999999999", "FFUF"],
    ["i in (1, -3, 99999999999)", "TFUT"],
    ["i not in (1, -3)", "FTUF"],
    ["i in (1, null)", "TUUU"],
    ["i not in (1, null)", "FUUU"],
    ["i between -3 and 1", "TFUT"],
    ["i not between -3 and 1", "FTUF"],
    ["i = null", "UUUU"],
    ["i is null", "FFTF"],
    ["i is not null", "TTFT"],
    ["2 > i", "TFUT"],
    ["i = '2'", "FTUF"],
    ["big = 9007199254740993", "TFUF"],
    ["big > 9007199254740992", "TFUF"],
    ["big in (9007199254740993, -1)", "TFUT"],
    ["u = 18446744073709551615", "TFUF"],
    ["u > 9223372036854775808", "TFUF"],
    ["u > -1", "TTUT"],
    ["big < i", "FFUF"],
    ["big = u", "FFUF"],
    ["f = 0.1", "TFUF"],
    ["f = 0", "FFUT"],
    ["f > 1e300", "FTUF"],
    ["f = 'nan'", "FTUF"],
    ["f < 'NaN'", "TFUT"],
    ["f in (0.1, 'nan')", "TTUF"],
    ["g = 0.1", "TFUF"],
    ["g = f", "FTUF"],
    ["s = 'abc'", "TFUF"],
    ["s < 'b'", "TFUT"],
    ["s > 'z'", "FTUF"],
    ["s in ('ü', '')", "FTUT"],
    ["s like 'a%'", "TFUF"],
    ["s like '_'", "FTUF"],
    ["s like '%c'", "TFUF"],
    ["s not like '%'", "FFUF"],
    ["b", "TFUT"],
    ["not b", "FTUF"],
    ["b = false", "FTUF"],
    ["b is true", "TFFT"],
    ["b is not true", "FTTF"],
    ["d = 'x'", "TFUT"],
    ["d is null", "FFTF"],
    ["d like 'y%' or i = 1", "TTUF"],
    ["d = s", "FFUF"],
    ["day = '2024-01-31'", "TFUF"],
    ["day > DATE '1970-01-01'", "TFUT"],
    ["day < TIMESTAMP '2024-01-31 00:00:01'", "TTUF"],
    ["day = TIMESTAMP '2024-01-31 00:00:01'", "FFUF"],
    ["i = 1 and s = 'zzz'", "FFUF"],
    ["i = 1 or b", "TFUT"],
    ["(i is null or i = 2) and not (s = 'abc')", "FTUF"],
    ["true", "TTTT"],
    ["null or i = 1", "TUUU"],
    ["false and i = 1", "FFFF"],
  ])("%s", async (text, expected) => {
    expect(await truths(batch, text)).toBe(expected);
    // A slice moves offsets of bitmaps and children.
    expect(await truths(batch.slice(1, 4), text)).toBe(expected.slice(1));
  });

  test("decimals and nanoseconds by every digit, below nullable structs", async () => {
    const decimals = new Uint32Array(16);
    for (const [row, value] of [12345678901234567890123456789n, -1n, 0n, 5n].entries()) {
      for (let i = 0; i < 4; i += 1) decimals[row * 4 + i] = Number(BigInt.asUintN(32, value >> BigInt(32 * i)));
    }
    const decimal = makeData({ type: new Decimal(2, 29, 128), length: 4, data: decimals });
    const nanos = makeData({
      type: new TimestampNanosecond(),
      length: 4,
      data: BigInt64Array.of(1706702400123456789n, -1n, 0n, 1706702400123456788n),
    });
    const fields = [new Field("m", decimal.type), new Field("t", nanos.type)];
    const struct = makeData({
      type: new Struct(fields),
      length: 4,
      nullCount: 1,
      nullBitmap: Uint8Array.of(0b1011),
      children: [decimal, nanos],
    });
    const outer = [new Field("o", struct.type, true)];
    const rows = new RecordBatch(
      new Schema(outer),
      makeData({ type: new Struct(outer), length: 4, nullCount: 0, children: [struct] }),
    );
    for (const [text, expected] of [
      ["o.m = 123456789012345678901234567.89", "TFUF"],
      ["o.m > 123456789012345678901234567.889", "TFUF"],
      ["o.m < -0.001", "FTUF"],
      ["o.m = 0.05", "FFUT"],
      ["o.m in (-0.01, 0.05, 0.055)", "FTUT"],
      ["O.M = 0.050", "FFUT"],
      ["o.t = '2024-01-31 12:00:00.123456789'", "TFUF"],
      ["o.t > TIMESTAMP '2024-01-31 13:00:00.123456788+01:00'", "TFUF"],
      ["o.t < DATE '1970-01-01'", "FTUF"],
      ["o.t < '9999-01-01'", "TTUT"],
      ["o is null", "FFTF"],
      ["o.m is null", "FFTF"],
    ] as const) {
      expect([text, await truths(rows, text)]).toEqual([text, expected]);
      expect([text, await truths(rows.slice(2, 4), text)]).toEqual([text, expected.slice(2)]);
    }
  });
});

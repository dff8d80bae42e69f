import {
  Bool,
  DateDay,
  Decimal,
  Field,
  FixedSizeBinary,
  Float64,
  Int32,
  Int8,
  List,
  Schema,
  Struct,
  TimestampSecond,
  Uint64,
  Utf8,
} from "apache-arrow";
import { describe, expect, test } from "vitest";
import { isRiffleError } from "../../../src/errors.ts";
import { bindPredicate } from "../../../src/formats/predicate/bind-predicate.ts";
import { boundColumns } from "../../../src/formats/predicate/bound-predicate.ts";
import { equalityValues } from "../../../src/formats/predicate/equality-values.ts";
import { mayMatch, type ColumnBounds } from "../../../src/formats/predicate/may-match.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import type { Predicate } from "../../../src/formats/predicate/predicate.ts";

const schema = new Schema([
  new Field("n", new Int32(), true),
  new Field("small", new Int8(), true),
  new Field("u", new Uint64(), true),
  new Field("x", new Float64(), true),
  new Field("m", new Decimal(2, 9, 128), true),
  new Field("s", new Utf8(), true),
  new Field("flag", new Bool(), true),
  new Field("day", new DateDay(), true),
  new Field("at", new TimestampSecond(), true),
  new Field("id", new FixedSizeBinary(16), true),
  new Field("list", new List(new Field("item", new Int32()))),
  new Field("Case", new Int32(), true),
  new Field("case", new Int32(), true),
  new Field("CASE2", new Int32(), true),
  new Field("twin", new Int32(), true),
  new Field("Twin", new Int32(), true),
  new Field("a.b", new Int32(), true),
  new Field(
    "bbox",
    new Struct([new Field("xmin", new Float64()), new Field("Inner", new Struct([new Field("z", new Int32())]))]),
  ),
]);

async function bound(text: string): Promise<ReturnType<typeof bindPredicate>> {
  return bindPredicate(await parsePredicate(text), schema);
}

async function columnsOf(text: string): Promise<readonly string[]> {
  return boundColumns(await bound(text)).map((column) => column.path.join("/"));
}

describe("columns", () => {
  test.each([
    ["n = 1 and bbox.xmin > 2 and n < 5", ["n", "bbox/xmin"]],
    ["BBOX.XMIN > 2 or bbox.inner.Z is null", ["bbox/xmin", "bbox/Inner/z"]],
    ['"Case" = 1', ["Case"]],
    ['"case" = 1', ["case"]],
    ["case2 = 1", ["CASE2"]],
    ["a.b = 1", ["a.b"]],
    ["s > s", ["s"]],
    ["x > n and true", ["n", "x"]],
  ])("%s", async (text, paths) => {
    expect(await columnsOf(text)).toEqual(paths);
  });

  test.each([
    ["nope = 1", /^predicate: there is no column nope$/, /there are n, small, u, x/],
    ["bbox.ymin = 1", /^predicate: column bbox has no field ymin$/, /there are xmin, Inner/],
    ["n.m = 1", /^predicate: column n has no field m$/, /it is no struct/],
    ["TWIN = 1", /column TWIN could be each of twin, Twin/, /quote one of them/],
  ])("%s says what there is", async (text, message, hint) => {
    const error = await refused(text);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });

  test.each([
    ["n = 'abc'", "column n (Int32) cannot be compared with the string 'abc'"],
    ["n = '5.5.5'", "column n (Int32) cannot be compared with the string '5.5.5'"],
    ["n = true", "column n (Int32) cannot be compared with true"],
    ["n = DATE '2024-01-01'", "column n (Int32) cannot be compared with DATE '2024-01-01'"],
    ["s = 5", "column s (Utf8) cannot be compared with 5"],
    ["x in (1, 'high')", "column x (Float64) cannot be compared with the string 'high'"],
    ["flag = 1", "column flag (Bool) cannot be compared with 1"],
    ["day = 'soon'", "column day (Date32<DAY>) cannot be compared with the string 'soon'"],
    ["day between 5 and 6", "column day (Date32<DAY>) cannot be compared with 5"],
    ["n like '5%'", "column n is Int32: LIKE needs text"],
    ["n", "column n is Int32: it is neither true nor false by itself"],
    ["n = s", "column n is Int32: it cannot be compared with s (Utf8)"],
    ["list = 5", "column list is List<Int32>: only IS NULL can be asked of it"],
    ["bbox = 5", /column bbox is Struct<.*>: only IS NULL can be asked of it/],
    ["1 = 1", "a comparison needs a column"],
  ])("%s is refused", async (text, message) => {
    const error = await refused(text);
    if (typeof message === "string") expect(error.message).toBe(`predicate: ${message}`);
    else expect(error.message).toMatch(message);
  });

  test("numbers beyond reason cost nothing", async () => {
    for (const text of [
      "n < 1e999999999",
      "n > -1e999999999",
      "m < 1e-999999999",
      `n < ${"9".repeat(9_000)}`,
      "x < 1e400",
    ]) {
      expect(["compare", "known"]).toContain((await bound(text)).kind);
    }
    expect((await refused("n < 1e9999999999")).message).toContain("cannot be compared");
  });

  test("a tree deeper than any text is refused, not run out of stack", () => {
    let deep: Predicate = { kind: "null", path: ["n"] };
    for (let i = 0; i < 100_000; i += 1) deep = { kind: "not", term: deep };
    expect(() => bindPredicate(deep, schema)).toThrow(/nested too deeply/);
  });
});

describe("bounds", () => {
  const may = async (text: string, bounds: ColumnBounds): Promise<boolean> => mayMatch(await bound(text), () => bounds);

  test.each<[string, ColumnBounds, boolean]>([
    ["n = 5", { min: 1, max: 4 }, false],
    ["n = 5", { min: 1, max: 5 }, true],
    ["n = 5", {}, true],
    ["n < 1", { min: 1 }, false],
    ["n <= 1", { min: 1 }, true],
    ["n > 9", { max: 9n }, false],
    ["n <> 5", { min: 5, max: 5 }, false],
    ["n <> 5", { min: 5, max: 6 }, true],
    ["not n = 5", { min: 5, max: 5 }, false],
    ["n in (1, 9)", { min: 2, max: 8 }, false],
    ["n not in (4, 5)", { min: 5, max: 5 }, false],
    ["n not in (4, 5)", { min: 4, max: 5 }, true],
    ["n not in (4, null)", { min: 5, max: 6 }, false],
    ["n between 3 and 1", { min: 0, max: 9 }, true],
    ["n is null", { nullCount: 0 }, false],
    ["n is null", {}, true],
    ["n is not null", { nullCount: 3, rowCount: 3 }, false],
    ["n = 5", { nullCount: 3, rowCount: 3 }, false],
    ["n = 5 or n is null", { min: 6, max: 7, nullCount: 0 }, false],
    ["n = 5 and true", { rowCount: 0 }, false],
    ["small < 1000", { nullCount: 4, rowCount: 4 }, false],
    ["small > 1000", { min: 1, max: 2 }, false],
    ["small = 1.5", { min: 1, max: 2 }, false],
    // NaN is greater than every number, and statistics leave it out.
    ["x > 9", { min: 1, max: 2 }, true],
    ["x > 9", { min: 1, max: 2, noNaN: true }, false],
    ["x < 1", { min: 1, max: 2 }, false],
    ["x = 'nan'", { min: 1, max: 2 }, true],
    ["x = 'nan'", { min: 1, max: 2, noNaN: true }, false],
    ["x = 1", { min: NaN, max: NaN }, true],
    ["x = 0", { min: -0, max: -0 }, true],
    ["m = 1.25", { min: 126n, max: 200n }, false],
    ["s = 'b'", { min: "c", max: "d" }, false],
    ["s = 'b'", { min: 5, max: 6 }, true],
    ["s like 'ab%'", { min: "ac", max: "zz" }, false],
    ["s like 'ab%'", { min: "a", max: "aaz" }, false],
    ["s like 'ab%'", { min: "a", max: "abz" }, true],
    ["s like '%b'", { min: "x", max: "y" }, true],
    ["s not like 'ab%'", { min: "aba", max: "abz" }, false],
    ["s not like 'ab%'", { min: "aba", max: "abz\u{1F600}" }, false],
    ["s not like 'ab'", { min: "ab", max: "ab" }, false],
    ["flag", { min: false, max: false }, false],
    ["not flag", { min: false, max: true }, true],
    ["day >= '2024-01-01'", { max: 19722 }, false],
    ["at >= TIMESTAMP '1970-01-01 00:00:10.5'", { max: 10n }, false],
    ["at >= TIMESTAMP '1970-01-01 00:00:10.5'", { max: 11n }, true],
    ["null", {}, false],
    ["false or n = 1", { min: 2 }, false],
  ])("%s within %o: %s", async (text, bounds, expected) => {
    expect(await may(text, bounds)).toBe(expected);
  });

  test("between columns", async () => {
    const less = await bound("n < x");
    const of = (n: ColumnBounds, x: ColumnBounds) => mayMatch(less, ([name]) => (name === "n" ? n : x));
    expect(of({ min: 5 }, { max: 4, noNaN: true })).toBe(false);
    expect(of({ min: 5 }, { max: 4 })).toBe(true);
    expect(of({ min: 5 }, { max: 6, noNaN: true })).toBe(true);
    expect(of({ nullCount: 1, rowCount: 1 }, {})).toBe(false);
  });
});

describe("values that equality asks for", () => {
  test.each([
    ["n = 5", "n", [5n]],
    ["n in (1, 2) and s = 'x'", "n", [1n, 2n]],
    ["n in (1, 2) and n = 3", "n", [3n]],
    ["n = 1 or n = 2", "n", [1n, 2n]],
    ["n = 1 or s = 'x'", "n", undefined],
    ["n > 1", "n", undefined],
    ["not n = 1", "n", undefined],
    ["n = 1.5", "n", []],
    ["n = null", "n", []],
    ["x = 0", "x", [0, -0]],
    ["x = 'nan'", "x", undefined],
    ["s = 'ü'", "s", [Uint8Array.of(0xc3, 0xbc)]],
    ["id = '01020304-0506-0708-090a-0b0c0d0e0f10'", "id", [Uint8Array.from({ length: 16 }, (_, i) => i + 1)]],
  ])("%s for %s", async (text, name, expected) => {
    expect(equalityValues(await bound(text), [name])).toEqual(expected);
  });
});

async function refused(text: string): Promise<{ readonly message: string; readonly hint: string | undefined }> {
  const error: unknown = await bound(text).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isRiffleError(error) || error.code !== "usage") throw new Error(`not refused: ${text}`, { cause: error });
  return error;
}

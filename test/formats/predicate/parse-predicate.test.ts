import { describe, expect, test } from "vitest";
import { isRiffleError } from "../../../src/errors.ts";
import { parsePredicate } from "../../../src/formats/predicate/parse-predicate.ts";
import type { Literal, Predicate } from "../../../src/formats/predicate/predicate.ts";

const column = (...path: string[]): { readonly kind: "column"; readonly path: string[] } => ({ kind: "column", path });
const literal = (value: Literal): { readonly kind: "literal"; readonly value: Literal } => ({ kind: "literal", value });
const equals = (path: string, value: Literal): Predicate => ({
  kind: "compare",
  op: "=",
  left: column(path),
  right: literal(value),
});

describe("what is understood", () => {
  test.each<[string, Predicate]>([
    ["a = 1", equals("a", 1n)],
    ["a = 9007199254740993", equals("a", 9007199254740993n)],
    ["a = -170141183460469231731687303715884105728", equals("a", -170141183460469231731687303715884105728n)],
    ["a = 12345678901234567890.123456789", equals("a", { decimal: "12345678901234567890.123456789" })],
    ["a = 1e5", equals("a", { decimal: "1e5" })],
    ["a = -.5E-3", equals("a", { decimal: "-.5E-3" })],
    ["a = - -5", equals("a", 5n)],
    ["a = 'it''s'", equals("a", "it's")],
    ["a = ''", equals("a", "")],
    ["a = '\u{1F600} -- /* no comment */'", equals("a", "\u{1F600} -- /* no comment */")],
    ["a = null", equals("a", null)],
    ["a = TRUE", equals("a", true)],
    ["a = DATE '2024-02-29'", equals("a", { date: "2024-02-29" })],
    ["a = date'2024-02-29'", equals("a", { date: "2024-02-29" })],
    ["a = '2024-02-29'::date", equals("a", { date: "2024-02-29" })],
    ["a = TIMESTAMP '2024-02-29 10:00'", equals("a", { timestamp: "2024-02-29 10:00" })],
    ["a = timestamp with time zone '2024-02-29 10:00+01'", equals("a", { timestamp: "2024-02-29 10:00+01" })],
    ['"a b" = 1', equals("a b", 1n)],
    ['"a ""b""" = 1', equals('a "b"', 1n)],
    ["größe = 1", equals("größe", 1n)],
    ['"order" = 1', equals("order", 1n)],
    ["Mixed = 1", equals("Mixed", 1n)],
    ["date = 1", equals("date", 1n)],
    ["-- why\na /* what */ = 1", equals("a", 1n)],
    ["((a = 1))", equals("a", 1n)],
    ['a.b."c d".e <> f', { kind: "compare", op: "<>", left: column("a", "b", "c d", "e"), right: column("f") }],
    ["5 != a", { kind: "compare", op: "<>", left: literal(5n), right: column("a") }],
    ["a IN (1)", { kind: "in", path: ["a"], values: [1n] }],
    ["a in (-1, 'x', NULL, 2.50)", { kind: "in", path: ["a"], values: [-1n, "x", null, { decimal: "2.50" }] }],
    ["a NOT IN (1, 2)", { kind: "not", term: { kind: "in", path: ["a"], values: [1n, 2n] } }],
    ["a between 1 and 'x'", { kind: "between", path: ["a"], low: 1n, high: "x" }],
    ["a not between -1 and 1", { kind: "not", term: { kind: "between", path: ["a"], low: -1n, high: 1n } }],
    ["a is null", { kind: "null", path: ["a"] }],
    ["a is not null", { kind: "not", term: { kind: "null", path: ["a"] } }],
    ["a like 'x%'", { kind: "like", path: ["a"], pattern: "x%" }],
    ["a not like '_'", { kind: "not", term: { kind: "like", path: ["a"], pattern: "_" } }],
    ["not not a", { kind: "truth", operand: column("a") }],
    ["not a", { kind: "not", term: { kind: "truth", operand: column("a") } }],
    [
      "a = 1 or b = 2 and c = 3",
      { kind: "or", terms: [equals("a", 1n), { kind: "and", terms: [equals("b", 2n), equals("c", 3n)] }] },
    ],
    ["not a = 1 and b = 2", { kind: "and", terms: [{ kind: "not", term: equals("a", 1n) }, equals("b", 2n)] }],
    ["a = 1 and b = 2 and c = 3", { kind: "and", terms: [equals("a", 1n), equals("b", 2n), equals("c", 3n)] }],
    [
      "a between 1 and 2 and b = 2",
      { kind: "and", terms: [{ kind: "between", path: ["a"], low: 1n, high: 2n }, equals("b", 2n)] },
    ],
  ])("%s", async (text, expected) => {
    expect(await parsePredicate(text)).toEqual(expected);
  });
});

describe("what is not, and where", () => {
  test.each([
    ["a = = 1", "= is not expected at column 5", 5],
    ["a == 1", "= is not expected at column 4", 4],
    ["a =", "something is missing at column 4", 4],
    ["(a = 1", "something is missing at column 7", 7],
    ["a = 1)", ") is not expected at column 6", 6],
    ["a = 1; drop table b", "; is not expected at column 6", 6],
    ["a = 'x", "' is not closed at column 5", 5],
    ['"a = 1', '" is not closed at column 1', 1],
    ["a = 1 /* b", "a comment is not closed at column 7", 7],
    ["a = 5x", "this is not a number at column 5", 5],
    ["a = 0x10", "this is not a number at column 5", 5],
    ["a = 1_000", "this is not a number at column 5", 5],
    ["order = 1", "order is not expected at column 1", 1],
    ["user = 1", "this keyword is not supported at column 1", 1],
    ["count(*) = 1", "a function is not supported at column 1", 1],
    ["a + 1 = 2", "a comparison of comparisons or arithmetic is not supported at column 1", 1],
    ["1 < a < 3", "a comparison of comparisons or arithmetic is not supported at column 1", 1],
    ["a ilike 'x'", "the operator ILIKE is not supported at column 1", 1],
    ["a like 'x' escape '!'", "'!' is not expected at column 19", 19],
    ["a like b", "LIKE takes a string at column 8", 8],
    ["a in (b)", "IN takes a list of literals at column 7", 7],
    ["a in ()", ") is not expected at column 7", 7],
    ["a in (select 1)", "IN takes a list of literals at column 7", 7],
    ["a between b and 2", "BETWEEN takes literals at column 11", 11],
    ["a = $1", "a parameter is not supported at column 5", 5],
    ["a[1] = 2", "an index into a list is not supported at column 1", 1],
    ["a = interval '1 day'", "this cast is not supported at column 5", 5],
    ["a = E'x'", "strings with the prefix E are not supported at column 5", 5],
    ["a = DATE '2023-02-29'", "this is not a date or time at column 10", 10],
    ["a = TIMESTAMP '2023-02-28 25:00'", "this is not a date or time at column 15", 15],
    ["5", "this is no predicate at column 1", 1],
    ["* = 1", "= is not expected at column 3", 3],
  ])("%s", async (text, message, columnNumber) => {
    const error = await refused(text);
    expect(error.message).toBe(`predicate: ${message}`);
    expect(error.facts["column"]).toBe(columnNumber);
    expect(error.facts["pointer"]).toBe(`${text}\n${" ".repeat(columnNumber - 1)}^`);
  });

  test("a place in a later line", async () => {
    const error = await refused("a = 1\n  and b ==\n 2");
    expect(error.message).toBe("predicate: = is not expected at line 2, column 10");
    expect(error.facts["pointer"]).toBe("  and b ==\n         ^");
    expect(error.hint).toBe("equality is written =");
  });

  test("a long line is shown around the place", async () => {
    const error = await refused(`${"a = 1 and ".repeat(100)}b == 2`);
    expect(error.facts["column"]).toBe(1004);
    const [line = "", caret = ""] = String(error.facts["pointer"]).split("\n");
    expect(line.length).toBeLessThan(110);
    expect(line[caret.length - 1]).toBe("=");
  });

  test.each([
    ["nothing", ""],
    ["blanks", " \n\t "],
    ["only a comment", "-- a = 1"],
    ["deep parentheses", `${"(".repeat(100_000)}a = 1${")".repeat(100_000)}`],
    ["a long chain", Array.from({ length: 5000 }, (_, i) => `a = ${i}`).join(" or ")],
    ["many signs", `a = ${"- ".repeat(100_000)}1`],
    ["many negations", `${"not ".repeat(100_000)}a`],
    ["too much text", `a = '${"x".repeat(3_000_000)}'`],
    ["a number of too many digits", `a = ${"9".repeat(1_000_000)}`],
    ["zero bytes", "a = \0"],
    ["a lone surrogate", "a = \ud800"],
  ])("%s ends in a usage error", async (_, text) => {
    expect((await refused(text)).message.length).toBeLessThan(300);
  });

  test("a long list is no burden", async () => {
    const values = Array.from({ length: 50_000 }, (_, i) => `'${i}'`).join(", ");
    expect(await parsePredicate(`a in (${values}) and b = 1`)).toMatchObject({ kind: "and" });
  });
});

async function refused(
  text: string,
): Promise<{ message: string; hint: string | undefined; facts: Readonly<Record<string, unknown>> }> {
  const error: unknown = await parsePredicate(text).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isRiffleError(error) || error.code !== "usage")
    throw new Error(`not refused: ${text.slice(0, 100)}`, { cause: error });
  return error;
}

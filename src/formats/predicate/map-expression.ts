import type { Expr, ExprBinary, ExprTernary, ExprUnary } from "pgsql-ast-parser";
import { literalOf, typed, unquote } from "./literal.ts";
import { errorAt } from "./predicate-error.ts";
import type { Comparison, Literal, Operand, Predicate } from "./predicate.ts";
import { pathNames, type Token } from "./tokens.ts";

/** Elements of an `IN` list, by the offset of the first. */
export type ListElements = ReadonlyMap<number, readonly Literal[]>;

export interface Written {
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly lists: ListElements;
}

const COMPARISONS: ReadonlyMap<string, Comparison> = new Map([
  ["=", "="],
  ["!=", "<>"],
  ["<", "<"],
  ["<=", "<="],
  [">", ">"],
  [">=", ">="],
]);

/** Kinds of expressions that may be literals by their text. */
const SPELLED: ReadonlySet<string> = new Set(["integer", "numeric", "string", "boolean", "null", "unary"]);

/** What the parser understood, as a predicate; literals and names are read from the text. Throws `usage` for the rest of SQL. */
export function mapExpression(expression: Expr, written: Written): Predicate {
  if (expression.type === "binary") return mapBinary(expression, written);
  if (expression.type === "unary") return mapUnary(expression, written);
  if (expression.type === "ternary") return mapBetween(expression, written);
  if (expression.type === "ref" || expression.type === "boolean" || expression.type === "null") {
    return { kind: "truth", operand: operandOf(expression, written) };
  }
  throw refusal(expression, written);
}

function mapBinary(expression: ExprBinary, written: Written): Predicate {
  const { op, left, right } = expression;
  const comparison = COMPARISONS.get(op);
  if (comparison !== undefined) {
    return { kind: "compare", op: comparison, left: operandOf(left, written), right: operandOf(right, written) };
  }
  if (op === "AND" || op === "OR") return { kind: op === "AND" ? "and" : "or", terms: chain(expression, written) };
  if (op === "IN" || op === "NOT IN") {
    const values = written.lists.get(span(right).start);
    if (values === undefined) throw errorAt(place(right, written), "IN takes a list of literals");
    return negatedIf(op === "NOT IN", { kind: "in", path: pathOf(left, written), values });
  }
  if (op === "LIKE" || op === "NOT LIKE") {
    const pattern = right.type === "string" ? literalAt(right, written) : undefined;
    if (typeof pattern !== "string") throw errorAt(place(right, written), "LIKE takes a string");
    return negatedIf(op === "NOT LIKE", { kind: "like", path: pathOf(left, written), pattern });
  }
  throw errorAt(place(expression, written), `the operator ${op} is not supported`);
}

/** `a AND b AND c` is one node of three terms, however long: it was parsed as a tree that leans left. */
function chain(expression: ExprBinary, written: Written): readonly Predicate[] {
  const terms: Expr[] = [];
  let rest: Expr = expression;
  while (rest.type === "binary" && rest.op === expression.op) {
    terms.push(rest.right);
    rest = rest.left;
  }
  terms.push(rest);
  return terms.reverse().map((term) => mapExpression(term, written));
}

function mapUnary(expression: ExprUnary, written: Written): Predicate {
  const { op, operand } = expression;
  switch (op) {
    case "NOT": {
      let inner: Expr = operand;
      let negated = true;
      while (inner.type === "unary" && inner.op === "NOT") {
        negated = !negated;
        inner = inner.operand;
      }
      return negatedIf(negated, mapExpression(inner, written));
    }
    case "IS NULL":
    case "IS NOT NULL":
      return negatedIf(op === "IS NOT NULL", { kind: "null", path: pathOf(operand, written) });
    case "IS TRUE":
    case "IS FALSE":
    case "IS NOT TRUE":
    case "IS NOT FALSE": {
      const path = pathOf(operand, written);
      const wanted = op.endsWith("TRUE");
      const is: Predicate = {
        kind: "and",
        terms: [
          { kind: "not", term: { kind: "null", path } },
          negatedIf(!wanted, { kind: "truth", operand: { kind: "column", path } }),
        ],
      };
      return negatedIf(op.startsWith("IS NOT"), is);
    }
    case "+":
    case "-":
    default:
      throw refusal(expression, written);
  }
}

function mapBetween(expression: ExprTernary, written: Written): Predicate {
  const path = pathOf(expression.value, written);
  const low = literalAt(expression.lo, written);
  const high = literalAt(expression.hi, written);
  if (low === undefined || high === undefined) {
    const wrong = low === undefined ? expression.lo : expression.hi;
    throw errorAt(place(wrong, written), "BETWEEN takes literals", "write a >= x AND a <= y");
  }
  return negatedIf(expression.op === "NOT BETWEEN", { kind: "between", path, low, high });
}

function negatedIf(negated: boolean, term: Predicate): Predicate {
  return negated ? { kind: "not", term } : term;
}

function operandOf(expression: Expr, written: Written): Operand {
  if (expression.type === "ref") return { kind: "column", path: pathOf(expression, written) };
  const value = literalAt(expression, written);
  if (value === undefined) throw refusal(expression, written);
  return { kind: "literal", value };
}

function pathOf(expression: Expr, written: Written): readonly string[] {
  if (expression.type !== "ref" || expression.name === "*")
    throw errorAt(place(expression, written), "this must be a column");
  const { start, end } = span(expression);
  return pathNames(written.text.slice(start, end));
}

/** The literal that an expression is, read from its text; undefined when it is something else. */
function literalAt(expression: Expr, written: Written): Literal | undefined {
  const { start, end } = span(expression);
  if (SPELLED.has(expression.type)) {
    const first = firstFrom(written.tokens, start);
    let after = first;
    while ((written.tokens[after]?.end ?? Infinity) <= end) after += 1;
    return literalOf(written.text, written.tokens.slice(first, after));
  }
  if (expression.type !== "cast" || expression.operand.type !== "string" || !("name" in expression.to))
    return undefined;
  const string = span(expression.operand);
  const value = unquote(written.text.slice(string.start, string.end));
  return typed(place(expression.operand, written), { type: expression.to.name ?? "", value });
}

/** Index of the first token that begins at `start` or after it. */
function firstFrom(tokens: readonly Token[], start: number): number {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tokens[middle]?.start ?? 0) < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

function refusal(expression: Expr, written: Written): Error {
  const names: Readonly<Record<string, string>> = {
    call: "a function",
    select: "a query in a query",
    case: "CASE",
    cast: "this cast",
    arrayIndex: "an index into a list",
    member: "a member of JSON",
    parameter: "a parameter",
    keyword: "this keyword",
    list: "a list",
    binary: "a comparison of comparisons or arithmetic",
    unary: "arithmetic",
  };
  const hint = expression.type === "keyword" ? "a column of this name is written in double quotes" : undefined;
  const name = names[expression.type];
  const what = name === undefined ? "this is no predicate" : `${name} is not supported`;
  return errorAt(place(expression, written), what, hint);
}

function span(expression: Expr): { readonly start: number; readonly end: number } {
  return expression._location ?? { start: 0, end: 0 };
}

function place(expression: Expr, written: Written): { readonly text: string; readonly offset: number } {
  return { text: written.text, offset: span(expression).start };
}

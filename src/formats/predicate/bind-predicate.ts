import type { Schema } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import type { BoundColumn, BoundPredicate, Truth, Value } from "./bound-predicate.ts";
import { comparable, typeName } from "./domain.ts";
import { findColumn } from "./find-column.ts";
import { fitLiteral, spelled } from "./fit-literal.ts";
import type { Comparison, Literal, Operand, Predicate } from "./predicate.ts";

/** Parsed text never nests deeper; a tree that a program made may. */
const MAX_DEPTH = 1000;

/** `5 < a` is `a > 5`. */
const MIRRORED: Readonly<Record<Comparison, Comparison>> = {
  "=": "=",
  "<>": "<>",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
};

/**
 * Finds the columns of a predicate in a schema and fits its literals to them, so that rows and statistics can be tested. Throws
 * `usage` for a column that is not there (it says which are) and for types that cannot be compared.
 */
export function bindPredicate(predicate: Predicate, schema: Schema): BoundPredicate {
  return bind(predicate, { schema, depth: 0 });
}

interface Context {
  readonly schema: Schema;
  readonly depth: number;
}

function bind(predicate: Predicate, context: Context): BoundPredicate {
  if (context.depth > MAX_DEPTH) throw new RiffleError("usage", "predicate: it is nested too deeply");
  const below = { schema: context.schema, depth: context.depth + 1 };
  switch (predicate.kind) {
    case "and":
    case "or":
      return { kind: predicate.kind, terms: predicate.terms.map((term) => bind(term, below)) };
    case "not":
      return { kind: "not", term: bind(predicate.term, below) };
    case "compare":
      return bindComparison(predicate, context.schema);
    case "in":
      return bindIn(findColumn(predicate.path, context.schema), predicate.values);
    case "between": {
      const column = findColumn(predicate.path, context.schema);
      const terms = [
        compareWith(column, { op: ">=", literal: predicate.low }),
        compareWith(column, { op: "<=", literal: predicate.high }),
      ];
      return { kind: "and", terms };
    }
    case "null":
      return { kind: "null", column: findColumn(predicate.path, context.schema) };
    case "like": {
      const column = findColumn(predicate.path, context.schema);
      if (column.domain.kind !== "text") throw typeError(column, "LIKE needs text");
      return { kind: "like", column, pattern: new TextEncoder().encode(predicate.pattern) };
    }
    case "truth":
    default:
      return bindTruth(predicate.operand, context.schema);
  }
}

function bindTruth(operand: Operand, schema: Schema): BoundPredicate {
  if (operand.kind === "literal") {
    if (operand.value === null) return constant(2);
    if (typeof operand.value === "boolean") return constant(operand.value ? 1 : 0);
    throw new RiffleError("usage", `predicate: ${spelled(operand.value)} is neither true nor false`);
  }
  const column = findColumn(operand.path, schema);
  if (column.domain.kind !== "boolean") throw typeError(column, "it is neither true nor false by itself");
  return { kind: "compare", column, op: "=", value: 1 };
}

function bindComparison(predicate: Extract<Predicate, { kind: "compare" }>, schema: Schema): BoundPredicate {
  const { op, left, right } = predicate;
  if (left.kind === "column" && right.kind === "column") {
    const columns = { left: findColumn(left.path, schema), right: findColumn(right.path, schema) };
    if (!comparable(columns.left.domain, columns.right.domain)) {
      throw typeError(
        columns.left,
        `it cannot be compared with ${columns.right.path.join(".")} (${typeName(columns.right.type)})`,
      );
    }
    return { kind: "columns", op, ...columns };
  }
  if (left.kind === "column" && right.kind === "literal") {
    return compareWith(findColumn(left.path, schema), { op, literal: right.value });
  }
  if (left.kind === "literal" && right.kind === "column") {
    return compareWith(findColumn(right.path, schema), { op: MIRRORED[op], literal: left.value });
  }
  throw new RiffleError("usage", "predicate: a comparison needs a column");
}

function compareWith(
  column: BoundColumn,
  test: { readonly op: Comparison; readonly literal: Literal },
): BoundPredicate {
  const { op, literal } = test;
  if (column.domain.kind === "opaque") throw typeError(column, "only IS NULL can be asked of it");
  if (literal === null) return constant(2);
  if (column.domain.kind === "nothing") return { kind: "known", column, truth: false };
  const fit = fitLiteral(literal, column);
  if (fit.kind === "exact") return { kind: "compare", column, op, value: fit.value };
  if (op === "=" || op === "<>") return { kind: "known", column, truth: op === "<>" };
  const less = op === "<" || op === "<=";
  if (fit.kind === "below") return { kind: "known", column, truth: !less };
  return { kind: "compare", column, op: less ? "<=" : ">", value: fit.value };
}

/** With a NULL in the list no row is known to be outside it. */
function bindIn(column: BoundColumn, literals: readonly Literal[]): BoundPredicate {
  if (column.domain.kind === "opaque") throw typeError(column, "only IS NULL can be asked of it");
  const values: Value[] = [];
  let unknown = false;
  for (const literal of literals) {
    if (literal === null) {
      unknown = true;
      continue;
    }
    const fit = column.domain.kind === "nothing" ? undefined : fitLiteral(literal, column);
    if (fit?.kind === "exact") values.push(fit.value);
  }
  const test: BoundPredicate =
    values.length === 0 ? { kind: "known", column, truth: false } : { kind: "in", column, values };
  return unknown ? { kind: "or", terms: [test, constant(2)] } : test;
}

function constant(truth: Truth): BoundPredicate {
  return { kind: "constant", truth };
}

function typeError(column: BoundColumn, what: string): RiffleError {
  return new RiffleError("usage", `predicate: column ${column.path.join(".")} is ${typeName(column.type)}: ${what}`);
}

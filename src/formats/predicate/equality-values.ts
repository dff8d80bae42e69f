import type { BoundColumn, BoundPredicate, Value } from "./bound-predicate.ts";
import type { ColumnPath } from "./predicate.ts";

/**
 * Values of which one must be in the column (`path` as the schema spells it) where the predicate is true: none when it can never be
 * true, undefined when it says no such thing. For bloom filters: a float is given as the numbers that equal it (both zeros), and
 * never NaN, which has many bit patterns.
 */
export function equalityValues(bound: BoundPredicate, path: ColumnPath): readonly Value[] | undefined {
  switch (bound.kind) {
    case "constant":
      return bound.truth === 1 ? undefined : [];
    case "and": {
      const lists = bound.terms.flatMap((term) => {
        const values = equalityValues(term, path);
        return values === undefined ? [] : [values];
      });
      // Every list must hold: the shortest asks the least.
      return lists.sort((a, b) => a.length - b.length)[0];
    }
    case "or": {
      const lists = bound.terms.map((term) => equalityValues(term, path));
      return lists.some((list) => list === undefined) ? undefined : lists.flatMap((list) => list ?? []);
    }
    case "compare":
      return bound.op === "=" && isAt(bound.column, path) ? asStored([bound.value]) : undefined;
    case "in":
      return isAt(bound.column, path) ? asStored(bound.values) : undefined;
    case "known":
      return bound.truth ? undefined : [];
    case "not":
    case "columns":
    case "like":
    case "null":
    default:
      return undefined;
  }
}

function isAt(column: BoundColumn, path: ColumnPath): boolean {
  return column.path.length === path.length && column.path.every((name, i) => name === path[i]);
}

function asStored(values: readonly Value[]): readonly Value[] | undefined {
  if (values.some((value) => typeof value === "number" && Number.isNaN(value))) return undefined;
  // A number that is 0 is a float or a boolean; an integer's zero is a bigint.
  return values.flatMap((value) => (value === 0 ? [0, -0] : [value]));
}

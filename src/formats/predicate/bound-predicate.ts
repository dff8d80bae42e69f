import type { DataType } from "apache-arrow";
import type { Domain } from "./domain.ts";
import type { ColumnPath, Comparison } from "./predicate.ts";

/**
 * A value in its column's domain: what the Arrow buffers hold. Integers and days are numbers or bigints (of any size), decimals
 * unscaled bigints, timestamps bigints in the column's unit, booleans 0 and 1, text UTF-8.
 */
export type Value = number | bigint | Uint8Array;

/** 0 false, 1 true, 2 unknown. */
export type Truth = 0 | 1 | 2;

/** A column, or a field below structs, found in a schema. */
export interface BoundColumn {
  /** The names as the schema spells them. */
  readonly path: ColumnPath;
  /** Positions of the column and of the fields below it. */
  readonly indices: readonly number[];
  readonly type: DataType;
  readonly domain: Domain;
}

/** A predicate fitted to a schema. */
export type BoundPredicate =
  | { readonly kind: "constant"; readonly truth: Truth }
  | { readonly kind: "and" | "or"; readonly terms: readonly BoundPredicate[] }
  | { readonly kind: "not"; readonly term: BoundPredicate }
  | { readonly kind: "columns"; readonly op: Comparison; readonly left: BoundColumn; readonly right: BoundColumn }
  | BoundTest;

/** A test of one column. All but "null" are unknown where the column is null. */
export type BoundTest =
  | { readonly kind: "compare"; readonly column: BoundColumn; readonly op: Comparison; readonly value: Value }
  | { readonly kind: "in"; readonly column: BoundColumn; readonly values: readonly Value[] }
  | { readonly kind: "like"; readonly column: BoundColumn; readonly pattern: Uint8Array }
  /** The same for every value: a literal lies outside what the column can hold, or between two of its values. */
  | { readonly kind: "known"; readonly column: BoundColumn; readonly truth: boolean }
  | { readonly kind: "null"; readonly column: BoundColumn };

/** The columns that a predicate looks at, each once, in the order of the schema. */
export function boundColumns(bound: BoundPredicate): readonly BoundColumn[] {
  const found = new Map<string, BoundColumn>();
  const visit = (part: BoundPredicate): void => {
    switch (part.kind) {
      case "constant":
        return;
      case "and":
      case "or":
        part.terms.forEach(visit);
        return;
      case "not":
        visit(part.term);
        return;
      case "columns":
        found.set(part.left.indices.join(), part.left).set(part.right.indices.join(), part.right);
        return;
      case "compare":
      case "in":
      case "like":
      case "known":
      case "null":
        found.set(part.column.indices.join(), part.column);
    }
  };
  visit(bound);
  return [...found.values()].sort(inSchemaOrder);
}

function inSchemaOrder(a: BoundColumn, b: BoundColumn): number {
  const length = Math.min(a.indices.length, b.indices.length);
  for (let i = 0; i < length; i += 1) {
    const difference = (a.indices[i] ?? 0) - (b.indices[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.indices.length - b.indices.length;
}

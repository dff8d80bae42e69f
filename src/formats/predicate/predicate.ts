/**
 * A literal of a query, not yet fitted to a column. A decimal keeps its digits (`{ decimal: "12.50" }`, also `"1e-7"`), dates and
 * instants their ISO 8601 text (`{ date: "2024-01-31" }`, `{ timestamp: "2024-01-31 12:00:00.5+01" }`; UTC where no zone is
 * given). A `number` means its shortest decimal spelling.
 */
export type Literal =
  | null
  | boolean
  | bigint
  | number
  | string
  | { readonly decimal: string }
  | { readonly date: string }
  | { readonly timestamp: string };

/** A column, or a field in it: `["bbox", "xmin"]`. */
export type ColumnPath = readonly string[];

export type Operand =
  | { readonly kind: "column"; readonly path: ColumnPath }
  | { readonly kind: "literal"; readonly value: Literal };

export type Comparison = "=" | "<>" | "<" | "<=" | ">" | ">=";

/** What rows are wanted, with SQL's three-valued logic: a row is taken where this is true, not where it is unknown. */
export type Predicate =
  | { readonly kind: "and" | "or"; readonly terms: readonly Predicate[] }
  | { readonly kind: "not"; readonly term: Predicate }
  | { readonly kind: "compare"; readonly op: Comparison; readonly left: Operand; readonly right: Operand }
  | { readonly kind: "in"; readonly path: ColumnPath; readonly values: readonly Literal[] }
  | { readonly kind: "between"; readonly path: ColumnPath; readonly low: Literal; readonly high: Literal }
  | { readonly kind: "null"; readonly path: ColumnPath }
  | { readonly kind: "like"; readonly path: ColumnPath; readonly pattern: string }
  /** A column of booleans, or `TRUE` and `FALSE`. */
  | { readonly kind: "truth"; readonly operand: Operand };

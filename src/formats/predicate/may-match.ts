import type { BoundColumn, BoundPredicate, BoundTest, Value } from "./bound-predicate.ts";
import { compareBytes } from "./byte-rows.ts";
import { compareValues, orderBetween } from "./compare-columns.ts";
import { outcomesOf } from "./compare-rows.ts";
import { isPlainPattern, isPrefixPattern, likePrefix } from "./like.ts";
import type { ColumnPath, Comparison } from "./predicate.ts";

/**
 * What is known of the values of a column in some rows, in its domain (see `Value`; text may also be a string, booleans booleans).
 * `min` and `max` are bounds, not necessarily values: a truncated one must have been rounded outwards.
 */
export interface ColumnBounds {
  readonly min?: Value | string | boolean | undefined;
  readonly max?: Value | string | boolean | undefined;
  readonly nullCount?: number | undefined;
  readonly rowCount?: number | undefined;
  /** Only where it is known that a float column has no NaN: statistics leave NaN out, though it is the greatest value. */
  readonly noNaN?: boolean | undefined;
}

/** Undefined where nothing is known. `path` spells the names as the schema does. */
export type BoundsOf = (path: ColumnPath, column: BoundColumn) => ColumnBounds | undefined;

/** Which truths rows may have, as far as bounds tell. */
interface Possible {
  readonly true: boolean;
  readonly false: boolean;
}

/** False only when the bounds prove that the predicate is true for no row. */
export function mayMatch(bound: BoundPredicate, bounds: BoundsOf): boolean {
  return possible(bound, bounds).true;
}

function possible(bound: BoundPredicate, bounds: BoundsOf): Possible {
  switch (bound.kind) {
    case "constant":
      return { true: bound.truth === 1, false: bound.truth === 0 };
    case "and": {
      const terms = bound.terms.map((term) => possible(term, bounds));
      return { true: terms.every((term) => term.true), false: terms.some((term) => term.false) };
    }
    case "or": {
      const terms = bound.terms.map((term) => possible(term, bounds));
      return { true: terms.some((term) => term.true), false: terms.every((term) => term.false) };
    }
    case "not": {
      const term = possible(bound.term, bounds);
      return { true: term.false, false: term.true };
    }
    case "columns":
      return possibleOrders(bound.op, betweenColumns(rangeOf(bound.left, bounds), rangeOf(bound.right, bounds)));
    case "compare":
    case "in":
    case "like":
    case "known":
    case "null":
    default:
      return possibleOfTest(bound, rangeOf(bound.column, bounds));
  }
}

/** Bounds that can be used: of the column's kind and no NaN. */
interface Range {
  readonly column: BoundColumn;
  readonly min: Value | undefined;
  readonly max: Value | undefined;
  readonly mayBeNaN: boolean;
  readonly mayBeNull: boolean;
  readonly mayBeValue: boolean;
}

function rangeOf(column: BoundColumn, bounds: BoundsOf): Range {
  const known = bounds(column.path, column) ?? {};
  const { nullCount, rowCount } = known;
  const empty = rowCount === 0;
  return {
    column,
    min: usable(known.min, column),
    max: usable(known.max, column),
    mayBeNaN: column.domain.kind === "float" && known.noNaN !== true,
    mayBeNull: !empty && nullCount !== 0,
    mayBeValue:
      !empty &&
      column.domain.kind !== "nothing" &&
      (nullCount === undefined || rowCount === undefined || nullCount < rowCount),
  };
}

function usable(bound: Value | string | boolean | undefined, column: BoundColumn): Value | undefined {
  const bytes = column.domain.kind === "text" || column.domain.kind === "bytes";
  if (typeof bound === "string") return bytes ? new TextEncoder().encode(bound) : undefined;
  if (bound instanceof Uint8Array) return bytes ? bound : undefined;
  const value = typeof bound === "boolean" ? Number(bound) : bound;
  return bytes || Number.isNaN(value) ? undefined : value;
}

function possibleOfTest(test: BoundTest, range: Range): Possible {
  if (test.kind === "null") return { true: range.mayBeNull, false: range.mayBeValue };
  if (!range.mayBeValue) return { true: false, false: false };
  switch (test.kind) {
    case "known":
      return { true: test.truth, false: !test.truth };
    case "compare":
      return possibleOrders(test.op, ordersTo(test.value, range));
    case "in":
      return {
        true: test.values.some((value) => ordersTo(value, range).equal),
        false: !test.values.some((value) => isOnly(value, range)),
      };
    case "like":
    default:
      return possibleOfLike(test.pattern, range);
  }
}

interface Orders {
  readonly less: boolean;
  readonly equal: boolean;
  readonly greater: boolean;
}

function possibleOrders(op: Comparison, orders: Orders): Possible {
  const outcomes = outcomesOf(op);
  const some = (truth: 0 | 1): boolean =>
    (orders.less && outcomes.less === truth) ||
    (orders.equal && outcomes.equal === truth) ||
    (orders.greater && outcomes.greater === truth);
  return { true: some(1), false: some(0) };
}

/** How values of the range may compare with `value`. */
function ordersTo(value: Value, range: Range): Orders {
  if (typeof value === "number" && Number.isNaN(value)) {
    return { less: true, equal: range.mayBeNaN, greater: false };
  }
  const min = range.min === undefined ? -1 : compareValues(range.min, value);
  const max = range.max === undefined ? 1 : compareValues(range.max, value);
  return { less: min < 0, equal: min <= 0 && max >= 0, greater: max > 0 || range.mayBeNaN };
}

function isOnly(value: Value, range: Range): boolean {
  const orders = ordersTo(value, range);
  return orders.equal && !orders.less && !orders.greater;
}

function betweenColumns(a: Range, b: Range): Orders {
  if (!a.mayBeValue || !b.mayBeValue) return { less: false, equal: false, greater: false };
  const order = orderBetween(a.column.domain, b.column.domain);
  const compare = (x: Value | undefined, y: Value | undefined): number | undefined =>
    x === undefined || y === undefined ? undefined : order(x, y);
  const lowToHigh = compare(a.min, b.max) ?? -1;
  const highToLow = compare(a.max, b.min) ?? 1;
  return {
    less: lowToHigh < 0 || b.mayBeNaN,
    equal: (lowToHigh <= 0 && highToLow >= 0) || (a.mayBeNaN && b.mayBeNaN),
    greater: highToLow > 0 || a.mayBeNaN,
  };
}

function possibleOfLike(pattern: Uint8Array, range: Range): Possible {
  const prefix = likePrefix(pattern);
  if (isPlainPattern(pattern)) return { true: ordersTo(prefix, range).equal, false: !isOnly(prefix, range) };
  const { min, max } = range;
  const starts = (bound: Value | undefined): number | undefined =>
    bound instanceof Uint8Array ? compareBytes(bound.subarray(0, prefix.length), prefix) : undefined;
  const [low, high] = [starts(min), starts(max)];
  const all = isPrefixPattern(pattern) && low === 0 && high === 0;
  return { true: (low ?? 0) <= 0 && (high ?? 0) >= 0, false: !all };
}

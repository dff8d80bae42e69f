import { DataType, type Data, type Vector } from "apache-arrow";
import type { Value } from "./bound-predicate.ts";
import { byteRows, compareBytes } from "./byte-rows.ts";
import type { ColumnRows } from "./column-rows.ts";
import { booleans, floats, outcomesOf, wordsOf, wordsPerValue } from "./compare-rows.ts";
import { domainOf, type Domain } from "./domain.ts";
import type { Comparison } from "./predicate.ts";

/**
 * Compares two columns row by row, by the exact values of both: also an integer with a float, and instants of different units. A
 * decimal is compared with a float as the nearest double. Nulls are the caller's.
 */
export function compareColumns(
  left: ColumnRows,
  test: { readonly op: Comparison; readonly right: ColumnRows },
): Uint8Array {
  const { less, equal, greater } = outcomesOf(test.op);
  const order = orderBetween(domainOf(left.data.type), domainOf(test.right.data.type));
  const a = valuesOf(left.data, left.length);
  const b = valuesOf(test.right.data, left.length);
  const out = new Uint8Array(left.length);
  for (let row = 0; row < left.length; row += 1) {
    if (left.nulls?.[row] === 1 || test.right.nulls?.[row] === 1) continue;
    const [x, y] = [a(row), b(row)];
    if (x === undefined || y === undefined) {
      out[row] = 2;
      continue;
    }
    const sign = order(x, y);
    out[row] = sign < 0 ? less : sign > 0 ? greater : equal;
  }
  return out;
}

/** How values of two domains, that are comparable, compare. */
export function orderBetween(a: Domain, b: Domain): (x: Value, y: Value) => number {
  if (a.kind === "exact" && b.kind === "exact" && a.scale !== b.scale) {
    const scale = Math.max(a.scale, b.scale);
    const [growX, growY] = [10n ** BigInt(scale - a.scale), 10n ** BigInt(scale - b.scale)];
    return (x, y) => compareValues(grown(x, growX), grown(y, growY));
  }
  if (
    (a.kind === "instant" || a.kind === "time") &&
    (b.kind === "instant" || b.kind === "time") &&
    a.perDay !== b.perDay
  ) {
    return (x, y) => compareValues(grown(x, b.perDay), grown(y, a.perDay));
  }
  if (a.kind === "exact" && b.kind === "float" && a.scale !== 0)
    return (x, y) => compareValues(toDouble(x, a.scale), y);
  if (a.kind === "float" && b.kind === "exact" && b.scale !== 0)
    return (x, y) => compareValues(x, toDouble(y, b.scale));
  return compareValues;
}

function grown(value: Value, factor: bigint): Value {
  return value instanceof Uint8Array ? value : BigInt(value) * factor;
}

function toDouble(value: Value, scale: number): Value {
  return value instanceof Uint8Array ? value : Number(`${value}e${-scale}`);
}

/** Of one domain, or of an integer and a float: JavaScript compares a bigint with a number by their exact values. */
export function compareValues(x: Value, y: Value): number {
  if (x instanceof Uint8Array || y instanceof Uint8Array) {
    return x instanceof Uint8Array && y instanceof Uint8Array ? compareBytes(x, y) : 0;
  }
  if (x < y) return -1;
  if (x > y) return 1;
  const [xIsNaN, yIsNaN] = [Number.isNaN(x), Number.isNaN(y)];
  return xIsNaN === yIsNaN ? 0 : xIsNaN ? 1 : -1;
}

/** The value of a row, undefined where it is null in a dictionary. */
export function valuesOf(data: Data, length: number): (row: number) => Value | undefined {
  if (DataType.isDictionary(data.type)) {
    const dictionary = data.dictionary as Vector | undefined;
    const values = (dictionary?.data ?? []).flatMap((chunk) => {
      const get = valuesOf(chunk, chunk.length);
      return Array.from({ length: chunk.length }, (_, i) => (chunk.getValid(i) ? get(i) : undefined));
    });
    const keys = data.values as ArrayLike<number | bigint>;
    return (row) => values[Number(keys[row])];
  }
  const domain = domainOf(data.type);
  switch (domain.kind) {
    case "boolean": {
      const bits = booleans(data, length);
      return (row) => bits[row];
    }
    case "float": {
      const numbers = floats(data);
      return (row) => numbers[row];
    }
    case "text":
    case "bytes": {
      const rows = byteRows(data);
      return (row) => {
        rows.seek(row);
        return rows.bytes.subarray(rows.start, rows.end);
      };
    }
    case "exact":
    case "instant":
    case "time":
      return integersOf(data);
    case "nothing":
    case "opaque":
    default:
      return () => undefined;
  }
}

function integersOf(data: Data): (row: number) => Value | undefined {
  const values = data.values as Int32Array | BigInt64Array;
  if (data.stride === 1 && !DataType.isDecimal(data.type)) return (row) => values[row];
  const words = wordsOf(data);
  const width = wordsPerValue(data);
  return (row) => {
    let value = 0n;
    for (let i = width - 1; i >= 0; i -= 1) value = (value << 32n) | BigInt(words[row * width + i] ?? 0);
    return BigInt.asIntN(32 * width, value);
  };
}

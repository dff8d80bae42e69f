import { DataType, type Data, type RecordBatch, type Vector } from "apache-arrow";
import type { BoundPredicate, BoundTest } from "./bound-predicate.ts";
import { byteRows } from "./byte-rows.ts";
import { columnRows, nullsOf } from "./column-rows.ts";
import { compareColumns } from "./compare-columns.ts";
import { compareRows } from "./compare-rows.ts";
import { domainOf } from "./domain.ts";
import { inRows } from "./in-rows.ts";
import { isLike } from "./like.ts";

/**
 * For every row of a batch 0 (false), 1 (true) or 2 (unknown), by SQL's three-valued logic. The batch must have the schema that the
 * predicate was bound to. Reads the raw buffers: every digit of decimals and every nanosecond counts.
 */
export function matchRows(bound: BoundPredicate, batch: RecordBatch): Uint8Array {
  switch (bound.kind) {
    case "constant":
      return new Uint8Array(batch.numRows).fill(bound.truth);
    case "and":
    case "or":
      return combine(bound, batch);
    case "not": {
      const truths = matchRows(bound.term, batch);
      for (let row = 0; row < truths.length; row += 1) {
        const truth = truths[row] ?? 0;
        truths[row] = truth === 2 ? 2 : truth ^ 1;
      }
      return truths;
    }
    case "columns": {
      const left = columnRows(batch, bound.left);
      const right = columnRows(batch, bound.right);
      const truths = compareColumns(left, { op: bound.op, right });
      return withUnknown(withUnknown(truths, left.nulls), right.nulls);
    }
    case "compare":
    case "in":
    case "like":
    case "known":
    case "null":
    default: {
      const { data, length, nulls } = columnRows(batch, bound.column);
      const truths = testRows(bound, { data, length });
      if (bound.kind !== "null") return withUnknown(truths, nulls);
      for (let row = 0; row < length; row += 1) truths[row] = (truths[row] ?? 0) | (nulls?.[row] ?? 0);
      return truths;
    }
  }
}

/** Of "and", false decides, of "or" true; the terms after a decision about all rows are not looked at. */
function combine(bound: Extract<BoundPredicate, { kind: "and" | "or" }>, batch: RecordBatch): Uint8Array {
  const decisive = bound.kind === "and" ? 0 : 1;
  const [first, ...others] = bound.terms;
  const out = first === undefined ? new Uint8Array(batch.numRows).fill(1 - decisive) : matchRows(first, batch);
  for (const term of others) {
    // By the engine's own search: most conditions leave something open soon.
    if (!out.includes(1 - decisive) && !out.includes(2)) break;
    const truths = matchRows(term, batch);
    for (let row = 0; row < out.length; row += 1) {
      const before = out[row] ?? 0;
      const truth = truths[row] ?? 0;
      out[row] = before === decisive || truth === decisive ? decisive : before === 2 ? 2 : truth;
    }
  }
  return out;
}

function withUnknown(truths: Uint8Array, nulls: Uint8Array | undefined): Uint8Array {
  if (nulls === undefined) return truths;
  for (let row = 0; row < truths.length; row += 1) if (nulls[row] === 1) truths[row] = 2;
  return truths;
}

/** A test of values alone: nulls of the column are the caller's, those inside a dictionary are seen here. */
function testRows(test: BoundTest, rows: { readonly data: Data; readonly length: number }): Uint8Array {
  const { data, length } = rows;
  if (DataType.isDictionary(data.type)) return throughDictionary(test, rows);
  const typed = { data, length, domain: domainOf(data.type) };
  switch (test.kind) {
    case "compare":
      return compareRows(typed, test);
    case "in":
      return inRows(typed, test.values);
    case "like":
      return likeRows(test.pattern, rows);
    case "known":
      return new Uint8Array(length).fill(test.truth ? 1 : 0);
    case "null":
    default:
      return new Uint8Array(length);
  }
}

function likeRows(pattern: Uint8Array, rows: { readonly data: Data; readonly length: number }): Uint8Array {
  const cursor = byteRows(rows.data);
  const out = new Uint8Array(rows.length);
  for (let row = 0; row < rows.length; row += 1) {
    cursor.seek(row);
    out[row] = isLike(cursor, pattern) ? 1 : 0;
  }
  return out;
}

/** Every value of the dictionary is tested once. */
function throughDictionary(test: BoundTest, rows: { readonly data: Data; readonly length: number }): Uint8Array {
  // A dictionary column without one has no values.
  const dictionary = rows.data.dictionary as Vector | undefined;
  const truths: number[] = [];
  for (const chunk of dictionary?.data ?? []) {
    const nulls = nullsOf(chunk, chunk.length);
    const tested = testRows(test, { data: chunk, length: chunk.length });
    for (let i = 0; i < chunk.length; i += 1) {
      const isNull = nulls?.[i] === 1;
      truths.push(test.kind === "null" ? (isNull ? 1 : (tested[i] ?? 0)) : isNull ? 2 : (tested[i] ?? 0));
    }
  }
  const keys = rows.data.values as ArrayLike<number | bigint>;
  const out = new Uint8Array(rows.length);
  for (let row = 0; row < rows.length; row += 1) out[row] = truths[Number(keys[row])] ?? 0;
  return out;
}

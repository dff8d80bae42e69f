import { DataType, type Data } from "apache-arrow";
import type { Value } from "./bound-predicate.ts";
import { byteRows, compareRow } from "./byte-rows.ts";
import type { Domain } from "./domain.ts";
import type { Comparison } from "./predicate.ts";

/** What a row becomes when its value is less than, equal to, or greater than the literal. */
interface Outcomes {
  readonly less: 0 | 1;
  readonly equal: 0 | 1;
  readonly greater: 0 | 1;
}

export function outcomesOf(op: Comparison): Outcomes {
  return {
    less: op === "<" || op === "<=" || op === "<>" ? 1 : 0,
    equal: op === "=" || op === "<=" || op === ">=" ? 1 : 0,
    greater: op === ">" || op === ">=" || op === "<>" ? 1 : 0,
  };
}

/** Integers of at most 32 bits and floats. */
export type NumberArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Float32Array
  | Float64Array;

interface Rows {
  readonly data: Data;
  readonly domain: Domain;
  readonly length: number;
}

/** Compares every row with a value of its domain; what lies under a null is compared too. Allocates nothing for a row. */
export function compareRows(rows: Rows, test: { readonly op: Comparison; readonly value: Value }): Uint8Array {
  const outcomes = outcomesOf(test.op);
  const { data, domain, length } = rows;
  const { value } = test;
  if (value instanceof Uint8Array) return compareByteRows(rows, { outcomes, value });
  switch (domain.kind) {
    case "boolean": {
      const bits = booleans(data, length);
      return compareNumbers(bits, { outcomes, value: Number(value), length });
    }
    case "float":
      return compareNumbers(floats(data), { outcomes, value: Number(value), length });
    case "exact":
    case "instant":
    case "time": {
      if (isNarrow(data, domain)) {
        // A buffer of numbers, of the width that the type says.
        return compareNumbers(data.values as NumberArray, { outcomes, value: Number(value), length });
      }
      const signed = domain.kind !== "exact" || domain.signed;
      return compareWords(data, { outcomes, value: BigInt(value), length, signed });
    }
    case "text":
    case "bytes":
    case "nothing":
    case "opaque":
    default:
      return new Uint8Array(length);
  }
}

function compareNumbers(
  values: NumberArray,
  test: { readonly outcomes: Outcomes; readonly value: number; readonly length: number },
): Uint8Array {
  const { outcomes, value, length } = test;
  const { less, equal, greater } = outcomes;
  const out = new Uint8Array(length);
  if (Number.isNaN(value)) {
    for (let row = 0; row < length; row += 1) out[row] = Number.isNaN(values[row]) ? equal : less;
    return out;
  }
  for (let row = 0; row < length; row += 1) {
    const own = values[row] ?? 0;
    // A row that is NaN is neither less nor equal, so it is greater.
    out[row] = own < value ? less : own === value ? equal : greater;
  }
  return out;
}

/** Numbers of several words, the most significant last: the words are compared, so that no bigint is made. */
function compareWords(
  data: Data,
  test: { readonly outcomes: Outcomes; readonly value: bigint; readonly length: number; readonly signed: boolean },
): Uint8Array {
  const { outcomes, length, signed } = test;
  const words = wordsOf(data);
  const width = wordsPerValue(data);
  const flip = signed ? 0x80000000 : 0;
  const wanted = Array.from({ length: width }, (_, i) => Number(BigInt.asUintN(32, test.value >> BigInt(32 * i))));
  const top = ((wanted[width - 1] ?? 0) ^ flip) >>> 0;
  const out = new Uint8Array(length);
  for (let row = 0; row < length; row += 1) {
    const base = row * width;
    const own = ((words[base + width - 1] ?? 0) ^ flip) >>> 0;
    let order = own < top ? -1 : own > top ? 1 : 0;
    for (let i = width - 2; order === 0 && i >= 0; i -= 1) {
      const a = words[base + i] ?? 0;
      const b = wanted[i] ?? 0;
      order = a < b ? -1 : a > b ? 1 : 0;
    }
    out[row] = order < 0 ? outcomes.less : order > 0 ? outcomes.greater : outcomes.equal;
  }
  return out;
}

function compareByteRows(rows: Rows, test: { readonly outcomes: Outcomes; readonly value: Uint8Array }): Uint8Array {
  const { less, equal, greater } = test.outcomes;
  const cursor = byteRows(rows.data);
  const out = new Uint8Array(rows.length);
  for (let row = 0; row < rows.length; row += 1) {
    cursor.seek(row);
    const order = compareRow(cursor, test.value);
    out[row] = order < 0 ? less : order > 0 ? greater : equal;
  }
  return out;
}

/** Whether the buffer holds plain numbers of at most 32 bits. A decimal never does: Arrow has its words without a sign. */
export function isNarrow(data: Data, domain: { readonly bits: number }): boolean {
  return domain.bits <= 32 && !DataType.isDecimal(data.type);
}

/** The 32-bit words of a buffer of wider numbers. Arrow's buffers are little-endian and aligned. */
export function wordsOf(data: Data): Uint32Array {
  const values = data.values as Uint32Array | BigInt64Array;
  return new Uint32Array(values.buffer, values.byteOffset, values.byteLength >> 2);
}

/** 32-bit words that one value takes; 1 also for narrower ones. */
export function wordsPerValue(data: Data): number {
  const values = data.values as { readonly BYTES_PER_ELEMENT: number };
  return Math.max(1, (values.BYTES_PER_ELEMENT * data.stride) >> 2);
}

/** 0 and 1 of a bitmap, whose bits a slice does not move. */
export function booleans(data: Data, length: number): Uint8Array {
  const bits = data.values as Uint8Array;
  const out = new Uint8Array(length);
  for (let row = 0; row < length; row += 1) {
    const bit = data.offset + row;
    out[row] = ((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1;
  }
  return out;
}

/** Floats; halves are widened (IEEE 754 binary16). */
export function floats(data: Data): Float32Array | Float64Array {
  if (!(data.values instanceof Uint16Array)) return data.values as Float32Array | Float64Array;
  return Float64Array.from(data.values, (bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

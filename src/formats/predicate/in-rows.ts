import type { Data } from "apache-arrow";
import type { Value } from "./bound-predicate.ts";
import { byteRows, compareRow, type ByteRows } from "./byte-rows.ts";
import { booleans, floats, isNarrow, wordsOf, wordsPerValue, type NumberArray } from "./compare-rows.ts";
import type { Domain } from "./domain.ts";

/** Which rows equal one of the values; the time does not depend on how many there are. */
export function inRows(
  rows: { readonly data: Data; readonly domain: Domain; readonly length: number },
  values: readonly Value[],
): Uint8Array {
  const { data, domain, length } = rows;
  switch (domain.kind) {
    case "text":
    case "bytes":
      return bytesIn(byteRows(data), { values: values.filter((value) => value instanceof Uint8Array), length });
    case "boolean":
      return numbersIn(booleans(data, length), { values, length });
    case "float":
      return numbersIn(floats(data), { values, length });
    case "exact":
    case "instant":
    case "time":
      return isNarrow(data, domain)
        ? numbersIn(data.values as NumberArray, { values, length })
        : wordsIn(data, { values, length });
    case "nothing":
    case "opaque":
    default:
      return new Uint8Array(length);
  }
}

/** A set finds NaN, and the same zero for both signs. */
function numbersIn(
  rows: NumberArray,
  test: { readonly values: readonly Value[]; readonly length: number },
): Uint8Array {
  const wanted = new Set(test.values.map(Number));
  const out = new Uint8Array(test.length);
  for (let row = 0; row < test.length; row += 1) out[row] = wanted.has(rows[row] ?? 0) ? 1 : 0;
  return out;
}

/** By their lowest words first: only where that fits are all of them compared. */
function wordsIn(data: Data, test: { readonly values: readonly Value[]; readonly length: number }): Uint8Array {
  const words = wordsOf(data);
  const width = wordsPerValue(data);
  const wanted = new Map<number, number[][]>();
  for (const value of test.values) {
    if (value instanceof Uint8Array) continue;
    const split = Array.from({ length: width }, (_, i) => Number(BigInt.asUintN(32, BigInt(value) >> BigInt(32 * i))));
    const low = split[0] ?? 0;
    wanted.set(low, [...(wanted.get(low) ?? []), split]);
  }
  const out = new Uint8Array(test.length);
  for (let row = 0; row < test.length; row += 1) {
    const base = row * width;
    const alike = wanted.get(words[base] ?? 0);
    if (alike?.some((split) => split.every((word, i) => words[base + i] === word)) === true) out[row] = 1;
  }
  return out;
}

function bytesIn(
  rows: ByteRows,
  test: { readonly values: readonly Uint8Array[]; readonly length: number },
): Uint8Array {
  const wanted = new Map<number, Uint8Array[]>();
  for (const value of test.values) {
    const hash = hashOf({ bytes: value, start: 0, end: value.length });
    wanted.set(hash, [...(wanted.get(hash) ?? []), value]);
  }
  const out = new Uint8Array(test.length);
  for (let row = 0; row < test.length; row += 1) {
    rows.seek(row);
    const alike = wanted.get(hashOf(rows));
    if (alike?.some((value) => compareRow(rows, value) === 0) === true) out[row] = 1;
  }
  return out;
}

/** FNV-1a, 32 bits. */
function hashOf(piece: { readonly bytes: Uint8Array; readonly start: number; readonly end: number }): number {
  let hash = 0x811c9dc5;
  for (let i = piece.start; i < piece.end; i += 1) hash = Math.imul(hash ^ (piece.bytes[i] ?? 0), 0x01000193);
  return hash >>> 0;
}

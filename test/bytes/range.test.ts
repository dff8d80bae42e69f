import fc from "fast-check";
import { expect, test } from "vitest";
import {
  alignToPages,
  clip,
  contains,
  mergeRanges,
  overlaps,
  PAGE_BYTES,
  splitRange,
  subtractRanges,
  type ByteRange,
} from "../../src/bytes/range.ts";

const range = fc.tuple(fc.nat(60), fc.nat(20)).map(([start, length]): ByteRange => ({ start, end: start + length }));
const members = (ranges: readonly ByteRange[]): Set<number> =>
  new Set(ranges.flatMap((r) => Array.from({ length: r.end - r.start }, (_, i) => r.start + i)));

test("merged ranges hold the same bytes, sorted, apart by more than the gap", () => {
  fc.assert(
    fc.property(fc.array(range), fc.nat(5), (ranges, gap) => {
      const merged = mergeRanges(ranges, gap);
      const before = members(ranges);
      const after = members(merged);
      for (const byte of before) expect(after.has(byte)).toBe(true);
      if (gap === 0) expect(after.size).toBe(before.size);
      for (const [i, r] of merged.entries()) {
        const next = merged[i + 1];
        if (next !== undefined) expect(next.start - r.end).toBeGreaterThan(gap);
      }
    }),
  );
});

test("subtraction leaves exactly the bytes that are not taken", () => {
  fc.assert(
    fc.property(range, fc.array(range), (whole, taken) => {
      const expected = members([whole]);
      for (const byte of members(taken)) expected.delete(byte);
      expect(members(subtractRanges(whole, taken))).toEqual(expected);
    }),
  );
});

test("split pieces follow one another and are none longer than asked", () => {
  fc.assert(
    fc.property(range, fc.integer({ min: 1, max: 9 }), (whole, bytes) => {
      const parts = splitRange(whole, bytes);
      expect(members(parts)).toEqual(members([whole]));
      expect(parts.every((p) => p.end - p.start <= bytes && p.end > p.start)).toBe(true);
    }),
  );
});

test("pages cover a range, and stop at the size", () => {
  expect(alignToPages({ start: 1, end: 2 }, 10 * PAGE_BYTES)).toEqual({ start: 0, end: PAGE_BYTES });
  expect(alignToPages({ start: PAGE_BYTES, end: PAGE_BYTES + 1 }, PAGE_BYTES + 5)).toEqual({
    start: PAGE_BYTES,
    end: PAGE_BYTES + 5,
  });
  expect(alignToPages({ start: 7, end: 7 }, 100)).toEqual({ start: 7, end: 7 });
});

test("clipping behind the end is empty at the end", () => {
  expect(clip({ start: 5, end: 9 }, 7)).toEqual({ start: 5, end: 7 });
  expect(clip({ start: 50, end: 90 }, 7)).toEqual({ start: 7, end: 7 });
});

test("touching ranges do not overlap; a range contains itself", () => {
  expect(overlaps({ start: 0, end: 4 }, { start: 4, end: 8 })).toBe(false);
  expect(overlaps({ start: 0, end: 5 }, { start: 4, end: 8 })).toBe(true);
  expect(contains({ start: 0, end: 4 }, { start: 0, end: 4 })).toBe(true);
  expect(contains({ start: 0, end: 4 }, { start: 0, end: 5 })).toBe(false);
});

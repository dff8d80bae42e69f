import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeRanges } from "../../../src/bytes/range.ts";
import {
  alignRows,
  countRows,
  positionsIn,
  rowNumbers,
  rowRanges,
  touchedPages,
} from "../../../src/formats/parquet/coverage.ts";
import type { PageLocation } from "../../../src/formats/parquet/page-index.ts";

const ROWS = 100;
const pages = fc
  .uniqueArray(fc.integer({ min: 1, max: ROWS - 1 }), { maxLength: 12 })
  .map((starts): readonly PageLocation[] =>
    [0, ...starts.sort((a, b) => a - b)].map((firstRow) => ({
      firstRow,
      start: firstRow * 10,
      end: firstRow * 10 + 5,
    })),
  );
const wanted = fc
  .array(fc.tuple(fc.integer({ min: 0, max: ROWS - 1 }), fc.integer({ min: 1, max: 9 })), {
    minLength: 1,
    maxLength: 6,
  })
  .map((spans) => mergeRanges(spans.map(([start, length]) => ({ start, end: Math.min(ROWS, start + length) }))));

test("aligned rows hold the wanted ones and are whole pages of every leaf, none of them needless", () => {
  fc.assert(
    fc.property(wanted, fc.array(pages, { minLength: 1, maxLength: 3 }), (rows, leaves) => {
      const covered = alignRows(rows, { pages: leaves, rows: ROWS });
      const all = new Set(rowNumbers(covered));
      expect([...rowNumbers(rows)].every((row) => all.has(row))).toBe(true);
      for (const leaf of leaves) {
        const touched = touchedPages(covered, { pages: leaf, rows: ROWS });
        const held = touched.map((at) => (leaf[at + 1]?.firstRow ?? ROWS) - (leaf[at]?.firstRow ?? 0));
        expect(held.reduce((sum, count) => sum + count, 0)).toBe(countRows(covered));
      }
      // With one leaf, every page in it holds a wanted row.
      const [only] = leaves;
      if (leaves.length === 1 && only !== undefined) {
        expect(touchedPages(covered, { pages: only, rows: ROWS })).toEqual(
          touchedPages(rows, { pages: only, rows: ROWS }),
        );
      }
    }),
    { seed: 4711 },
  );
});

test("positions of rows among the covered ones, and rows as ranges", () => {
  fc.assert(
    fc.property(wanted, pages, (rows, leaf) => {
      const covered = alignRows(rows, { pages: [leaf], rows: ROWS });
      const numbers = rowNumbers(rows);
      const among = rowNumbers(covered);
      expect([...positionsIn(covered, numbers)].map((at) => among[at])).toEqual([...numbers]);
      expect(rowRanges(numbers)).toEqual(rows);
    }),
    { seed: 4712 },
  );
});

test("a leaf without known pages is read whole", () => {
  expect(alignRows([{ start: 3, end: 4 }], { pages: [undefined], rows: ROWS })).toEqual([{ start: 0, end: ROWS }]);
});

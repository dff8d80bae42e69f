import fc from "fast-check";
import { expect, test } from "vitest";
import { PageMap } from "../../src/cache/page-map.ts";

const PAGES = 65536 + 200;
const run = fc
  .tuple(
    fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 65400, max: PAGES - 1 })),
    fc.integer({ min: 1, max: 150 }),
  )
  .map(([start, length]) => ({ start, end: Math.min(PAGES, start + length) }));

test("agrees with a set of page numbers, over the edge of a leaf too", () => {
  fc.assert(
    fc.property(fc.array(run, { maxLength: 12 }), fc.array(run, { minLength: 1, maxLength: 12 }), (sets, asks) => {
      const map = new PageMap(PAGES);
      const naive = new Set<number>();
      for (const { start, end } of sets) {
        const before = naive.size;
        for (let page = start; page < end; page++) naive.add(page);
        expect(map.set(start, end)).toBe(naive.size - before);
      }
      expect(map.count).toBe(naive.size);
      for (const { start, end } of asks) {
        const absent = Array.from({ length: end - start }, (_, at) => start + at).filter((page) => !naive.has(page));
        expect(map.has(start, end)).toBe(absent.length === 0);
        expect(
          map
            .absent(start, end)
            .flatMap((gap) => Array.from({ length: gap.end - gap.start }, (_, at) => gap.start + at)),
        ).toEqual(absent);
      }
    }),
  );
});

test("a far page in a huge content takes one leaf, a small content less than one", () => {
  const taken: number[] = [];
  const source = (_leaf: number, words: number): Int32Array => {
    taken.push(words);
    return new Int32Array(words);
  };
  const huge = new PageMap(5 * 2 ** 28, source);
  huge.set(2 ** 30, 2 ** 30 + 1);
  expect(huge.has(2 ** 30, 2 ** 30 + 1)).toBe(true);
  expect(huge.absent(2 ** 30 - 1, 2 ** 30 + 2)).toEqual([
    { start: 2 ** 30 - 1, end: 2 ** 30 },
    { start: 2 ** 30 + 1, end: 2 ** 30 + 2 },
  ]);
  new PageMap(1, source).set(0, 1);
  expect(taken).toEqual([2048, 1]);
});

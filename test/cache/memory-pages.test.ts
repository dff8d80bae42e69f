import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryStore, WRITE_BYTES_MAX } from "../../src/cache/memory-pages.ts";
import { patterned } from "../conformance/cache.ts";

const PAGE = 4096;

test("stays within its budget, whose floor lets 8 MiB outlive the next 8 MiB", () => {
  const store = new MemoryStore(1);
  const first = store.pagesOf(WRITE_BYTES_MAX);
  const second = store.pagesOf(WRITE_BYTES_MAX);
  const third = store.pagesOf(WRITE_BYTES_MAX);
  const bytes = patterned(WRITE_BYTES_MAX);
  first.write(0, bytes, { verified: false });
  second.write(0, bytes, { verified: false });
  expect([first.isComplete, second.isComplete]).toEqual([true, true]);
  third.write(0, bytes, { verified: false });
  expect([first.isComplete, second.isComplete, third.isComplete]).toEqual([false, true, true]);
  expect(store.bytes).toBeLessThanOrEqual(store.limit);
});

test("what it counts is what it holds, through evictions and clears", () => {
  const size = 100 * PAGE + 77;
  const content = patterned(size);
  const write = fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 100 }), fc.integer({ min: 1, max: 40 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(write, { maxLength: 20 }), (writes) => {
      const store = new MemoryStore(1);
      const contents = [store.pagesOf(size), store.pagesOf(size)];
      for (const [which, first, pages, verified] of writes) {
        contents[which]?.write(first * PAGE, content.slice(first * PAGE, (first + pages) * PAGE), { verified });
      }
      for (const pages of contents) {
        const absent = pages.absent({ start: 0, end: 101 }).reduce((sum, run) => sum + run.end - run.start, 0);
        expect(pages.heldPages).toBe(101 - absent);
        for (let page = 0; page < 101; page += 3) {
          const range = { start: page * PAGE, end: Math.min(size, (page + 1) * PAGE) };
          const target = new Uint8Array(range.end - range.start);
          expect(pages.readInto(range, target)).toBe(pages.holds(page));
          if (pages.holds(page)) expect(Buffer.compare(target, content.slice(range.start, range.end))).toBe(0);
        }
        pages.clear();
        expect([pages.heldPages, pages.allVerified]).toEqual([0, false]);
      }
      expect(store.bytes).toBe(0);
    }),
    { numRuns: 30, seed: 7 },
  );
});

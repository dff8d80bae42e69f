import fc from "fast-check";
import { expect, test } from "vitest";
import { Limiter } from "../../src/bytes/limiter.ts";
import { alignToPages, rangeLength, type ByteRange } from "../../src/bytes/range.ts";
import { memorySource, type StreamingSource } from "../../src/bytes/source.ts";
import { ByteBudget } from "../../src/fetch/budget.ts";
import { cachedSource } from "../../src/fetch/cached-source.ts";
import { ExtentFollower, MAX_UNIT_BYTES } from "../../src/fetch/extent-follower.ts";
import { extentTable, type Extent, type ExtentTable } from "../../src/formats/extents.ts";
import { memoryEntry } from "../support/memory-entry.ts";
import { patternBytes } from "../support/range-server.ts";

const MIB = 1024 * 1024;
const EARLY_BYTES = 32 * MIB;
/** Windows of large units: three ahead of one that is read. */
const WINDOW_BYTES = 3 * MAX_UNIT_BYTES;

/** What a table is made of; small, so that a failure can be read. */
type Shape =
  | { readonly kind: "any"; readonly extents: readonly Extent[] }
  | { readonly kind: "regular"; readonly columns: number; readonly bytes: number };

/** Any table that an index may give: overlapping, far outside, wholes that do not hold their units. */
function shapes(size: number): fc.Arbitrary<Shape> {
  const place = fc.oneof(
    fc.nat(size),
    fc.nat(40).map((step) => Math.floor((step * size) / 40)),
  );
  const length = fc.oneof(fc.nat(64), fc.nat(Math.ceil(size / 20)), fc.nat(size));
  const range = fc.record({ start: place, length }).map((one) => ({ start: one.start, end: one.start + one.length }));
  const extent = fc
    .record({ range, series: fc.integer({ min: -1, max: 5 }), whole: fc.option(range, { nil: undefined }) })
    .map(({ range: unit, series, whole }) => ({ ...unit, series, ...(whole === undefined ? {} : { whole }) }));
  return fc.oneof(
    fc.record({ kind: fc.constant("any" as const), extents: fc.array(extent, { maxLength: 40 }) }),
    fc.record({
      kind: fc.constant("regular" as const),
      columns: fc.integer({ min: 1, max: 8 }),
      bytes: fc.integer({ min: Math.ceil(size / 2000), max: Math.ceil(size / 30) }),
    }),
  );
}

function tableOf(shape: Shape, size: number): ExtentTable {
  if (shape.kind === "any") return extentTable(shape.extents, size);
  const { columns, bytes } = shape;
  const units = Array.from({ length: Math.floor(size / bytes) }, (_, index) => ({
    start: index * bytes,
    end: (index + 1) * bytes,
    series: index % columns,
  }));
  return extentTable(units, size);
}

function reads(size: number): fc.Arbitrary<readonly ByteRange[]> {
  const start = fc.oneof(
    fc.nat(size - 1),
    fc.nat(60).map((step) => Math.floor((step * size) / 61)),
  );
  const length = fc.oneof(fc.constantFrom(8, 256, 4096, 131_072), fc.integer({ min: 1, max: Math.ceil(size / 50) }));
  const one = fc.record({ start, length, run: fc.integer({ min: 1, max: 6 }) });
  return fc.array(one, { minLength: 1, maxLength: 20 }).map((steps) =>
    steps.flatMap(({ start: from, length: bytes, run }) =>
      Array.from({ length: run }, (_, step) => ({
        start: Math.min(size - 1, from + step * bytes),
        end: Math.min(size, from + (step + 1) * bytes),
      })).filter((range) => range.start < range.end),
    ),
  );
}

const total = (ranges: readonly ByteRange[]): number => ranges.reduce((sum, range) => sum + rangeLength(range), 0);

test("whatever the table says, one read suggests its units and a bounded rest, all inside the content", () => {
  const size = 2000 * MIB;
  fc.assert(
    fc.property(shapes(size), reads(size), fc.boolean(), (shape, steps, frugal) => {
      const table = tableOf(shape, size);
      const follower = new ExtentFollower(table, { size, frugal });
      for (const step of steps) {
        const { units, early } = follower.onRead(step);
        for (const { start, end } of [...units, ...early]) {
          expect(start).toBeGreaterThanOrEqual(0);
          expect(end).toBeLessThanOrEqual(size);
          expect(end).toBeGreaterThan(start);
        }
        // The read itself, a unit at each end of it, and what joins the last without a gap.
        expect(total(units)).toBeLessThanOrEqual(rangeLength(step) + EARLY_BYTES + 2 * MAX_UNIT_BYTES);
        expect(total(early)).toBeLessThanOrEqual(frugal ? 0 : EARLY_BYTES + 2 * WINDOW_BYTES);
        for (const unit of frugal ? units : []) expect(unit.start < step.end && step.start < unit.end).toBe(true);
        expect(follower.marks().length).toBeLessThanOrEqual(8);
        expect(follower.limitAt(step.start)).toBeGreaterThanOrEqual(step.start);
      }
    }),
    { numRuns: 300 },
  );
});

const SIZE = 3_000_000;
const CONTENT = patternBytes(SIZE);

test("whatever the table says, reads give the right bytes, and no byte is fetched twice", async () => {
  await fc.assert(
    fc.asyncProperty(shapes(SIZE), reads(SIZE), fc.boolean(), async (shape, steps, frugal) => {
      const table = tableOf(shape, SIZE);
      const fetched: ByteRange[] = [];
      const source: StreamingSource = {
        ...memorySource("model", CONTENT),
        stream: async (range, sink) => {
          fetched.push(range);
          await new Promise((resolve) => setImmediate(resolve));
          await sink(range.start, CONTENT.slice(range.start, range.end));
        },
      };
      const budget = new ByteBudget();
      const entry = memoryEntry("model", SIZE);
      const cost = { gapBytes: () => 0, firstByteMs: () => 20, observe: () => undefined };
      const cached = cachedSource({ source, entry, limiter: new Limiter(8), budget, frugal, cost });
      for (const [index, step] of steps.entries()) {
        if (index === 1) cached.useExtents(table);
        const bytes = await cached.read(step, { handle: index % 2 });
        expect(Buffer.compare(bytes, CONTENT.subarray(step.start, step.end))).toBe(0);
      }
      await cached.close();
      expect(budget.used).toBe(0);
      expect(total(fetched)).toBeLessThanOrEqual(SIZE);
      if (!frugal) return;
      const rows = Array.from({ length: table.count }, (_, row) => ({
        start: table.starts[row] ?? 0,
        end: table.ends[row] ?? 0,
      }));
      const near = (page: ByteRange): boolean =>
        [...steps, ...rows.filter((row) => steps.some((step) => step.start < row.end && row.start < step.end))].some(
          (wanted) => {
            const whole = alignToPages(wanted, SIZE);
            return whole.start < page.end && page.start < whole.end;
          },
        );
      expect(fetched.filter((range) => !near(range))).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

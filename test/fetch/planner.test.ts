import fc from "fast-check";
import { expect, test } from "vitest";
import {
  mergeRanges,
  overlaps,
  PAGE_BYTES,
  rangeLength,
  subtractRanges,
  type ByteRange,
} from "../../src/bytes/range.ts";
import { planParts, type PlanState, type WantedRange } from "../../src/fetch/planner.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const PRIORITIES = ["metadata", "demand", "prefetch"] as const;

const pages: fc.Arbitrary<ByteRange> = fc
  .record({ start: fc.nat(200), length: fc.integer({ min: 1, max: 40 }) })
  .map(({ start, length }) => ({ start: start * PAGE_BYTES, end: (start + length) * PAGE_BYTES }));
const wants: fc.Arbitrary<readonly WantedRange[]> = fc.array(
  fc.record({ range: pages, priority: fc.constantFrom(...PRIORITIES) }),
  { maxLength: 20 },
);
const states: fc.Arbitrary<PlanState> = fc.record({
  inFlight: fc.array(pages, { maxLength: 6 }).map((ranges) => mergeRanges(ranges)),
  gapBytes: fc.constantFrom(0, 64 * KIB, MIB, 2 * MIB),
  idle: fc.integer({ min: 1, max: 8 }),
  partBytes: fc.constantFrom(64 * KIB, 8 * MIB),
});

const size = (ranges: readonly ByteRange[]): number => ranges.reduce((sum, range) => sum + rangeLength(range), 0);

test("a plan covers all that is wanted, asks for nothing twice, and says truly what each range waits for", () => {
  fc.assert(
    fc.property(wants, states, (wanted, state) => {
      const plan = planParts(wanted, state);
      const parts = plan.parts.map((part) => part.range);
      const coming = [...parts, ...state.inFlight];
      expect(size(mergeRanges(coming))).toBe(size(coming));
      for (const part of parts) {
        expect(rangeLength(part)).toBeGreaterThan(0);
        expect(rangeLength(part)).toBeLessThanOrEqual(Math.max(state.partBytes ?? 0, PAGE_BYTES));
        expect(part.start % PAGE_BYTES).toBe(0);
      }
      expect(plan.waits).toHaveLength(wanted.length);
      wanted.forEach(({ range }, index) => {
        const waits = plan.waits[index];
        expect(subtractRanges(range, coming)).toEqual([]);
        expect(waits?.parts).toEqual([...parts.keys()].filter((at) => overlaps(parts[at] ?? range, range)));
        expect(waits?.inFlight).toEqual(
          [...state.inFlight.keys()].filter((at) => overlaps(state.inFlight[at] ?? range, range)),
        );
      });
    }),
  );
});

test("what is only likely never delays what is waited for, and is never joined over a gap", () => {
  fc.assert(
    fc.property(wants, states, (wanted, state) => {
      const { parts } = planParts(wanted, state);
      const urgent = wanted.filter((want) => want.priority !== "prefetch").map((want) => want.range);
      const ahead = wanted.filter((want) => want.priority === "prefetch").map((want) => want.range);
      for (const { range, priority } of parts) {
        if (priority === "prefetch") expect(subtractRanges(range, ahead)).toEqual([]);
        if (urgent.some((want) => overlaps(want, range))) expect(priority).not.toBe("prefetch");
      }
    }),
  );
});

test("with a gap of nothing no byte is fetched that is not wanted", () => {
  fc.assert(
    fc.property(wants, states, (wanted, state) => {
      const { parts } = planParts(wanted, { ...state, gapBytes: 0 });
      const all = wanted.map((want) => want.range);
      for (const { range } of parts) expect(subtractRanges(range, all)).toEqual([]);
    }),
  );
});

const demand = (ranges: readonly ByteRange[]): readonly WantedRange[] =>
  ranges.map((range) => ({ range, priority: "demand" }));
const every = (count: number, step: number, length: number): ByteRange[] =>
  Array.from({ length: count }, (_, index) => ({ start: index * step, end: index * step + length }));
const plan = (ranges: readonly ByteRange[], state: Partial<PlanState> = {}): readonly ByteRange[] =>
  planParts(demand(ranges), { inFlight: [], gapBytes: MIB, idle: 8, ...state }).parts.map((part) => part.range);

test("the narrow columns of a wide table become few requests", () => {
  expect(plan(every(40, 140 * KIB, 20 * KIB))).toHaveLength(5);
  expect(plan(every(300, 28 * KIB, 20 * KIB)).length).toBeLessThanOrEqual(8);
});

test("scattered reads of 64 KiB stay within a twentieth of their bytes, whatever a request is worth", () => {
  let state = 7;
  const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  for (const gapBytes of [64 * KIB, MIB, 2 * MIB]) {
    for (let round = 0; round < 20; round++) {
      const reads = Array.from({ length: 64 }, () => Math.floor(random() * 65_000) * PAGE_BYTES);
      const ranges = mergeRanges(reads.map((start) => ({ start, end: start + 64 * KIB })));
      expect(size(plan(ranges, { gapBytes }))).toBeLessThanOrEqual(1.05 * size(ranges));
    }
  }
});

test("a gap is not joined over bytes that are coming anyway", () => {
  const [a, b, c] = every(3, 8192, 4096);
  if (a === undefined || b === undefined || c === undefined) throw new Error("three ranges");
  expect(plan([a, c])).toEqual([{ start: a.start, end: c.end }]);
  expect(plan([a, c], { inFlight: [b] })).toEqual([a, c]);
});

test("large reads are cut for idle connections, small ones are not", () => {
  expect(plan([{ start: 0, end: 64 * MIB }]).map(rangeLength)).toEqual(Array.from({ length: 8 }, () => 8 * MIB));
  expect(plan([{ start: 0, end: 4 * MIB }]).map(rangeLength)).toEqual(Array.from({ length: 4 }, () => MIB));
  expect(plan([{ start: 0, end: 4 * MIB }], { idle: 1 })).toHaveLength(1);
  expect(plan([{ start: 0, end: MIB }])).toHaveLength(1);
  expect(plan([{ start: 0, end: 128 * MIB }])).toHaveLength(16);
});

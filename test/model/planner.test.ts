import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeRanges, PAGE_BYTES, rangeLength, subtractRanges, type ByteRange } from "../../src/bytes/range.ts";
import type { Priority } from "../../src/bytes/source.ts";
import { planParts, type WantedRange } from "../../src/fetch/planner.ts";
import { propertyRuns } from "../support/seed.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** The promise of the planner, whatever it is asked. */
const MAX_PART_BYTES = 8 * MIB;
/** What one more piece may bring of bytes that nobody wants, at the largest gap; and the share of large pieces. */
const MOST_CREDIT = 256 * KIB;
const WASTE_SHARE = 1 / 32;

const pages = fc
  .record({
    start: fc.nat(40_000),
    length: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 2500 })),
  })
  .map(({ start, length }) => ({ start: start * PAGE_BYTES, end: (start + length) * PAGE_BYTES }));
/** Neighbours with gaps between them, as columns and tiles lie. */
const row = fc
  .record({
    at: fc.nat(30_000),
    count: fc.integer({ min: 2, max: 30 }),
    length: fc.integer({ min: 1, max: 60 }),
    gap: fc.nat(150),
  })
  .map(({ at, count, length, gap }) =>
    Array.from({ length: count }, (_, index): ByteRange => {
      const start = (at + index * (length + gap)) * PAGE_BYTES;
      return { start, end: start + length * PAGE_BYTES };
    }),
  );

type Step =
  | { readonly kind: "want"; readonly ranges: readonly ByteRange[]; readonly priority: Priority }
  | { readonly kind: "land" | "fail" | "halve"; readonly pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("want" as const),
      ranges: fc.oneof(fc.array(pages, { minLength: 1, maxLength: 4 }), row),
      priority: fc.constantFrom("metadata" as const, "demand" as const, "prefetch" as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("land" as const, "fail" as const, "halve" as const),
      pick: fc.nat(100),
    }),
  },
);

/** A fetcher by the plainest means: sets of pages. */
class Reference {
  readonly #held = new Set<number>();
  readonly #wanted = new Map<number, Priority>();
  #flights: ByteRange[] = [];
  readonly #gapBytes: number;
  readonly #idle: number;

  constructor(gapBytes: number, idle: number) {
    this.#gapBytes = gapBytes;
    this.#idle = idle;
  }

  apply(doing: Step): void {
    if (doing.kind === "want") {
      for (const page of doing.ranges.flatMap(pagesOf))
        if (!this.#held.has(page) && this.#wanted.get(page) !== "demand") this.#wanted.set(page, doing.priority);
    } else {
      const flight = this.#flights[doing.pick % Math.max(1, this.#flights.length)];
      if (flight === undefined) return;
      this.#flights = this.#flights.filter((one) => one !== flight);
      // A connection may break after any of its pages; what came is kept.
      const half = flight.start + Math.floor(rangeLength(flight) / 2 / PAGE_BYTES) * PAGE_BYTES;
      const end = { land: flight.end, fail: flight.start, halve: half }[doing.kind];
      for (const page of pagesOf({ start: flight.start, end })) {
        this.#held.add(page);
        this.#wanted.delete(page);
      }
    }
    this.#plan();
  }

  /** Asks for what is wanted and not coming, and holds the answer against the sets. */
  #plan(): void {
    const inFlight = this.#flights.toSorted((a, b) => a.start - b.start);
    const coming = new Set(inFlight.flatMap(pagesOf));
    const wanted = (["metadata", "demand", "prefetch"] as const).flatMap((priority) =>
      rangesOf(
        [...this.#wanted].filter(([page, own]) => own === priority && !coming.has(page)).map(([page]) => page),
      ).map((range): WantedRange => ({ range, priority })),
    );
    const { parts, waits } = planParts(wanted, { inFlight, gapBytes: this.#gapBytes, idle: this.#idle });
    expect(waits).toHaveLength(wanted.length);
    const joined: number[] = [];
    for (const { range, priority } of parts) {
      expect(rangeLength(range)).toBeLessThanOrEqual(MAX_PART_BYTES);
      const own = pagesOf(range);
      // Never twice: not with a flight, and not with another part.
      expect(own.filter((page) => coming.has(page))).toEqual([]);
      for (const page of own) coming.add(page);
      const unwanted = own.filter((page) => !this.#wanted.has(page));
      if (priority === "prefetch") expect(unwanted).toEqual([]);
      for (const page of unwanted) joined.push(page);
      this.#flights.push(range);
    }
    // Never lost.
    expect([...this.#wanted.keys()].filter((page) => !coming.has(page))).toEqual([]);
    const needed = wanted.filter(({ priority }) => priority !== "prefetch");
    const pieces = needed.length;
    const bytes = needed.reduce((sum, { range }) => sum + rangeLength(range), 0);
    const most = pieces * Math.max(16 * KIB, Math.min(MOST_CREDIT, this.#gapBytes / 4)) + bytes * WASTE_SHARE;
    expect(joined.length * PAGE_BYTES).toBeLessThanOrEqual(this.#gapBytes === 0 ? 0 : most);
    const gaps = subtractRanges(
      { start: 0, end: Number.MAX_SAFE_INTEGER },
      needed.map(({ range }) => range),
    );
    for (const gap of gaps)
      if (rangeLength(gap) > this.#gapBytes)
        expect(joined.filter((page) => page * PAGE_BYTES >= gap.start && page * PAGE_BYTES < gap.end)).toEqual([]);
  }
}

function pagesOf({ start, end }: ByteRange): readonly number[] {
  return Array.from({ length: (end - start) / PAGE_BYTES }, (_, at) => start / PAGE_BYTES + at);
}

function rangesOf(numbers: readonly number[]): readonly ByteRange[] {
  return mergeRanges(numbers.map((page) => ({ start: page * PAGE_BYTES, end: (page + 1) * PAGE_BYTES })));
}

test(
  "whatever is wanted, lands and fails in whatever order, no page is lost, asked for twice, or wasted beyond its bound",
  { timeout: 120_000 },
  () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 64 * KIB, MIB, 2 * MIB),
        fc.integer({ min: 1, max: 8 }),
        fc.array(step, { maxLength: 12 }),
        (gapBytes, idle, steps) => {
          const reference = new Reference(gapBytes, idle);
          for (const doing of steps) reference.apply(doing);
        },
      ),
      propertyRuns({ numRuns: 60 }),
    );
  },
);

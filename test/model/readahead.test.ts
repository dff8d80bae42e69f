import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeRanges, PAGE_BYTES, rangeLength, subtractRanges, type ByteRange } from "../../src/bytes/range.ts";
import { ReadAhead } from "../../src/fetch/readahead.ts";
import { propertyRuns } from "../support/seed.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZE = 4096 * MIB;
/** A rest of the file that is not worth a request of its own is taken along. */
const TAIL_BYTES = 64 * KIB;
/** A stream may skip so much and go on. */
const SKIP_BYTES = MIB;

/** The reference of one handle: all that was read, and all that was granted. The detector remembers four streams. */
class Reference {
  readonly #follower: ReadAhead;
  readonly #read: ByteRange[] = [];
  readonly #granted: ByteRange[] = [];
  #consumed = 0;

  constructor(follower: ReadAhead) {
    this.#follower = follower;
  }

  read(range: ByteRange, part: number): ByteRange | undefined {
    this.#takeSkipped(range.start);
    this.#read.push(range);
    this.#consumed += rangeLength(range);
    const advice = this.#follower.onRead(range);
    expect(advice.partBytes).toBeGreaterThan(0);
    expect(advice.partBytes).toBeLessThanOrEqual(8 * MIB);
    const { ahead } = advice;
    for (const mark of this.#follower.marks()) expect(mark).toBeLessThan(SIZE);
    if (ahead === undefined) return undefined;
    // Behind what was read, inside the file, and never twice.
    expect(ahead.start).toBeGreaterThanOrEqual(range.end);
    expect(ahead.end).toBeLessThanOrEqual(SIZE);
    expect(rangeLength(ahead)).toBeGreaterThan(0);
    // The budget may grant less than was advised.
    const end = ahead.start + Math.ceil((rangeLength(ahead) * part) / PAGE_BYTES) * PAGE_BYTES;
    const granted = { start: ahead.start, end: Math.min(ahead.end, end) };
    this.#follower.granted(advice, granted.end);
    this.#granted.push(granted);
    expect(rangeLength(granted)).toBeLessThanOrEqual(64 * MIB + TAIL_BYTES);
    return granted;
  }

  /**
   * What was fetched ahead and not read is never more than what was read, and one run more: the next of runs that are alike is
   * had whole at its second read, and one that is not like them ends that.
   */
  check(): void {
    const waste = mergeRanges(this.#granted).flatMap((range) => subtractRanges(range, mergeRanges(this.#read)));
    const wasted = waste.reduce((sum, range) => sum + rangeLength(range), 0);
    const learned = Math.max(0, ...mergeRanges(this.#read).map(rangeLength));
    expect(wasted).toBeLessThanOrEqual(this.#consumed + learned + TAIL_BYTES);
  }

  /**
   * Who goes on a little behind what was granted has read that elsewhere: reads that the cache answers are not heard of, but
   * for some. What lies behind it was read by nobody.
   */
  #takeSkipped(start: number): void {
    const skipped = mergeRanges(this.#granted)
      .filter((range) => range.start < start && start <= range.end + SKIP_BYTES)
      .map((range) => ({ start: range.start, end: Math.min(start, range.end) }));
    const fresh = skipped.flatMap((range) => subtractRanges(range, mergeRanges(this.#read)));
    for (const range of fresh) {
      this.#consumed += rangeLength(range);
      this.#read.push(range);
    }
  }

  get granted(): number {
    return this.#granted.length;
  }
}

const stream = fc.record({
  start: fc.oneof(fc.constant(0), fc.nat(1_000_000)).map((page) => page * PAGE_BYTES),
  bytes: fc.constantFrom(4 * KIB, 16 * KIB, 128 * KIB, 256 * KIB, MIB, 10_000),
});

test(
  "of interleaved streams each is read ahead of by no more than was consumed, and the whole wastes no more than it read and one learned run",
  { timeout: 120_000 },
  () => {
    const step = fc.record({
      which: fc.nat(5),
      reads: fc.integer({ min: 1, max: 20 }),
      part: fc.constantFrom(0, 0.5, 1, 1),
      jump: fc.option(fc.nat(1_000_000), { nil: undefined, freq: 4 }),
    });
    fc.assert(
      fc.property(
        fc.array(stream, { minLength: 1, maxLength: 6 }),
        fc.array(step, { maxLength: 60 }),
        (streams, steps) => {
          const reference = new Reference(new ReadAhead({ size: SIZE }));
          const at = streams.map(({ start }) => start);
          for (const { which, reads, part, jump } of steps) {
            const index = which % streams.length;
            if (jump !== undefined) at[index] = jump * PAGE_BYTES;
            for (let read = 0; read < reads; read += 1) {
              const start = at[index] ?? 0;
              const end = Math.min(SIZE, start + (streams[index]?.bytes ?? 0));
              if (end <= start) break;
              reference.read({ start, end }, part);
              at[index] = end;
            }
            reference.check();
          }
        },
      ),
      propertyRuns({ numRuns: 150 }),
    );
  },
);

test("reads of which none continues another give nothing, however many there are", () => {
  const read = fc.record({ page: fc.nat(1_000_000), bytes: fc.integer({ min: 1, max: 2 * MIB }) });
  fc.assert(
    fc.property(fc.array(read, { maxLength: 200 }), (reads) => {
      const reference = new Reference(new ReadAhead({ size: SIZE }));
      const taken: ByteRange[] = [];
      for (const { page, bytes } of reads) {
        const start = page * PAGE_BYTES;
        const range = { start, end: Math.min(SIZE, start + bytes) };
        // Apart from all others by more than a page.
        const isApart = taken.every((one) => range.end + 64 * KIB < one.start || one.end + 64 * KIB < range.start);
        if (!isApart || rangeLength(range) <= 0) continue;
        taken.push(range);
        expect(reference.read(range, 1)).toBeUndefined();
      }
      expect(reference.granted).toBe(0);
    }),
    propertyRuns({ numRuns: 200 }),
  );
});

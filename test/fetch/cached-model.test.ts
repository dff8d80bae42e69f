import fc from "fast-check";
import { expect, test } from "vitest";
import { Limiter } from "../../src/bytes/limiter.ts";
import { PAGE_BYTES, type ByteRange } from "../../src/bytes/range.ts";
import { memorySource, type ByteSink, type ReadOptions, type StreamingSource } from "../../src/bytes/source.ts";
import { RiffleError } from "../../src/errors.ts";
import { ByteBudget } from "../../src/fetch/budget.ts";
import { cachedSource } from "../../src/fetch/cached-source.ts";
import { memoryEntry } from "../support/memory-entry.ts";
import { patternBytes } from "../support/range-server.ts";

const SIZE = 2_000_000;
const CONTENT = patternBytes(SIZE);

interface Weather {
  /** One request in so many fails after some of its bytes; 0: none. */
  readonly failEvery: number;
  /** One request in so many is answered with the whole blob; 0: none. */
  readonly wholeEvery: number;
  readonly pieceBytes: number;
}

interface Traffic {
  /** Pages given more than once. */
  twice: number;
  active: number;
  peak: number;
}

/** A source that gives its bytes in pieces over turns of the event loop, and fails and exaggerates as it is told. */
function weatherSource(weather: Weather, traffic: Traffic): StreamingSource {
  let requests = 0;
  const given = new Uint8Array(Math.ceil(SIZE / PAGE_BYTES));
  const stream = async (range: ByteRange, sink: ByteSink, options?: ReadOptions): Promise<void> => {
    requests += 1;
    const fails = weather.failEvery > 0 && requests % weather.failEvery === 0;
    const isWhole = weather.wholeEvery > 0 && requests % weather.wholeEvery === 0;
    const { start, end } = isWhole ? { start: 0, end: SIZE } : range;
    const stop = fails ? start + Math.floor((end - start) / 2) : end;
    traffic.active += 1;
    traffic.peak = Math.max(traffic.peak, traffic.active);
    try {
      for (let at = start; at < stop; at += weather.pieceBytes) {
        await new Promise((resolve) => setImmediate(resolve));
        options?.signal?.throwIfAborted();
        const piece = CONTENT.slice(at, Math.min(stop, at + weather.pieceBytes));
        await sink(at, piece);
        // Lent bytes are not kept: who kept them would see this.
        piece.fill(0);
      }
      for (let page = Math.floor(start / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
        if (given[page] === 1) traffic.twice += 1;
        given[page] = 1;
      }
      if (fails) throw new RiffleError("unreachable", "the weather is bad");
    } finally {
      traffic.active -= 1;
    }
  };
  return { ...memorySource("model", CONTENT), stream };
}

interface Step {
  readonly start: number;
  readonly length: number;
  readonly handle: number | undefined;
  readonly abort: boolean;
  readonly settle: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  start: fc.oneof(
    fc.nat(SIZE),
    fc.nat(30).map((index) => index * 16_384),
  ),
  length: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.constant(16_384), fc.constant(600_000)),
  handle: fc.option(fc.nat(2), { nil: undefined }),
  abort: fc.nat(9).map((dice) => dice === 0),
  settle: fc.boolean(),
});

const world = fc.record({
  weather: fc.record({
    failEvery: fc.constantFrom(0, 0, 3, 7),
    wholeEvery: fc.constantFrom(0, 0, 1, 4),
    pieceBytes: fc.constantFrom(10_000, 65_536, 1_000_000),
  }),
  maxPages: fc.constantFrom(0, 20, 10_000),
  vanishEvery: fc.constantFrom(0, 0, 5),
  slowWrites: fc.boolean(),
  frugal: fc.boolean(),
  limit: fc.constantFrom(1, 4),
  budgetBytes: fc.constantFrom(200_000, 64 * 1024 * 1024),
});

test("whatever the source and the cache do, a read gives the right bytes or a failure, and nothing is left over", async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.array(step, { minLength: 1, maxLength: 25 }), async (given, steps) => {
      let looks = 0;
      const entry = memoryEntry("model", SIZE, {
        maxPages: given.maxPages,
        vanishes: () => given.vanishEvery > 0 && ++looks % given.vanishEvery === 0,
        ...(given.slowWrites ? { beforeWrite: () => new Promise<void>((resolve) => setImmediate(resolve)) } : {}),
      });
      const traffic: Traffic = { twice: 0, active: 0, peak: 0 };
      const budget = new ByteBudget(given.budgetBytes);
      const cached = cachedSource({
        source: weatherSource(given.weather, traffic),
        entry,
        limiter: new Limiter(given.limit),
        budget,
        frugal: given.frugal,
      });
      const reads = steps.map(async ({ start, length, handle, abort, settle }, index) => {
        const controller = new AbortController();
        for (let turn = 0; turn < index; turn++) await new Promise((resolve) => setImmediate(resolve));
        const options = { signal: controller.signal, ...(handle === undefined ? {} : { handle }) };
        const reading = cached.read({ start, end: start + length }, options);
        if (abort) setImmediate(() => controller.abort());
        if (settle && handle !== undefined) cached.touched({ start, end: start + length }, handle);
        const outcome = await reading.catch((error: unknown) => error);
        if (outcome instanceof Uint8Array) {
          expect(Buffer.compare(outcome, CONTENT.subarray(start, start + length))).toBe(0);
          return;
        }
        expect(["aborted", "unreachable", "misbehaved"]).toContain(
          outcome instanceof RiffleError ? outcome.code : "wrong",
        );
        if (!abort) expect(given.weather.failEvery).toBeGreaterThan(0);
      });
      await Promise.all(reads);
      await cached.close();
      expect(traffic.peak).toBeLessThanOrEqual(given.limit);
      expect([budget.used, traffic.active]).toEqual([0, 0]);
      // A gap that is joined over may hold what is there already; without joins nothing comes twice.
      const isCalm =
        given.weather.failEvery + given.weather.wholeEvery + given.vanishEvery === 0 && given.maxPages === 10_000;
      if (isCalm && given.frugal && !steps.some((each) => each.abort)) expect(traffic.twice).toBe(0);
    }),
    { numRuns: 60 },
  );
});

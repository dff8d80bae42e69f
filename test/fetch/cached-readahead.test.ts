import { expect, test } from "vitest";
import { Limiter } from "../../src/bytes/limiter.ts";
import { rangeLength } from "../../src/bytes/range.ts";
import { ByteBudget } from "../../src/fetch/budget.ts";
import { BLOB, cachedBench, expectBytes, KIB, MIB, of, total, until } from "../support/cached-bench.ts";
import type { Seen } from "../support/range-server.ts";
import { raw } from "../support/served-blob.ts";

test.each([128, 1024])(
  "a file read from end to end by %i KiB moves once, in few requests, several at a time",
  async (kib) => {
    const { cached, asked, server } = await cachedBench({ latencyMs: 2 });
    for (let start = 0; start < BLOB.length; start += kib * KIB) {
      const range = of(start, Math.min(kib * KIB, BLOB.length - start));
      expectBytes(await cached.read(range, { handle: 1 }), range);
    }
    expect(total(asked())).toBe(BLOB.length);
    expect(asked().length).toBeLessThan(60);
    expect(server.peak).toBeGreaterThanOrEqual(4);
    expect(server.peak).toBeLessThanOrEqual(8);
  },
);

test("a reader that stops has had at most as much again fetched for it", async () => {
  const { cached, asked } = await cachedBench();
  for (let start = 0; start < 4 * MIB; start += 64 * KIB) await cached.read(of(start, 64 * KIB), { handle: 1 });
  cached.release(1);
  expect(total(asked())).toBeLessThanOrEqual(8 * MIB);
});

test("reads without a handle are never read ahead of", async () => {
  const { cached, asked } = await cachedBench();
  for (let start = 0; start < MIB; start += 64 * KIB) await cached.read(of(start, 64 * KIB));
  expect(total(asked())).toBe(MIB);
});

test("a demand read overtakes prefetch that stalls, and is answered by it when it is the same bytes", async () => {
  const { cached, asked, server } = await cachedBench({
    // Nothing but single pages is answered: whatever is read ahead stalls.
    handle: (seen) => (rangeLength(seen.range) <= 64 * KIB ? seen.serve() : undefined),
  });
  for (let start = 0; start < 3 * 64 * KIB; start += 64 * KIB) await cached.read(of(start, 64 * KIB), { handle: 1 });
  await until(() => server.seen.some((seen) => rangeLength(seen.range) > 64 * KIB));
  expectBytes(await cached.read(of(20 * MIB, 4096), { handle: 2 }), of(20 * MIB, 4096));
  const before = asked().length;
  const stalled = server.seen.find((seen) => rangeLength(seen.range) > 64 * KIB);
  if (stalled === undefined) throw new Error("nothing stalls");
  const same = cached.read(of(stalled.range.start, 4096), { handle: 3 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  stalled.serve();
  expectBytes(await same, of(stalled.range.start, 4096));
  expect(asked()).toHaveLength(before);
  await cached.close();
});

test("one slot is never given to a guess, whatever is queued", async () => {
  const limiter = new Limiter(4, { reserve: 1 });
  const { cached, server } = await cachedBench(
    { handle: (seen) => (rangeLength(seen.range) <= 128 * KIB ? seen.serve() : undefined) },
    { limiter, perBlobLimit: 4 },
  );
  for (let start = 0; start < 3 * 128 * KIB; start += 128 * KIB) await cached.read(of(start, 128 * KIB), { handle: 1 });
  for (let start = 0; start < 12 * 128 * KIB; start += 128 * KIB)
    await cached.read(of(8 * MIB + start, 128 * KIB), { handle: 2 });
  for (let start = 0; start < 12 * 128 * KIB; start += 128 * KIB)
    await cached.read(of(16 * MIB + start, 128 * KIB), { handle: 3 });
  await until(() => server.seen.filter((seen) => rangeLength(seen.range) > 128 * KIB).length === 3);
  expectBytes(await cached.read(of(23 * MIB, 4096)), of(23 * MIB, 4096));
  await cached.close();
});

test("a prefetch that fails fails nobody: who needs its bytes asks for them", async () => {
  let isBroken = true;
  const { cached, asked } = await cachedBench({
    handle: (seen) => (isBroken && rangeLength(seen.range) > 128 * KIB ? raw(seen, 404, {}) : seen.serve()),
  });
  for (let start = 0; start < 12 * 128 * KIB; start += 128 * KIB) {
    const range = of(start, 128 * KIB);
    expectBytes(await cached.read(range, { handle: 1 }), range);
  }
  isBroken = false;
  expect(asked().some((range) => rangeLength(range) > 128 * KIB)).toBe(true);
});

test("prefetch takes no more memory than the budget has, and gives all of it back", async () => {
  const budget = new ByteBudget(MIB);
  const { cached, asked } = await cachedBench({}, { budget });
  for (let start = 0; start < 8 * MIB; start += 256 * KIB) {
    await cached.read(of(start, 256 * KIB), { handle: 1 });
    expect(budget.used).toBeLessThanOrEqual(MIB + 256 * KIB);
  }
  await cached.close();
  expect(budget.used).toBe(0);
  expect(total(asked())).toBeLessThanOrEqual(9 * MIB);
});

test("a reader that is served elsewhere is followed by its marks", async () => {
  const { cached, entry, asked } = await cachedBench();
  for (let start = 0; start < MIB; start += 128 * KIB) await cached.read(of(start, 128 * KIB), { handle: 5 });
  let at = MIB;
  for (let step = 0; step < 200 && at < BLOB.length; step++) {
    const [mark] = entry.marks;
    if (mark === undefined) break;
    expect(mark).toBeGreaterThanOrEqual(at);
    at = Math.floor(mark / (128 * KIB)) * 128 * KIB + 128 * KIB;
    await until(() => entry.missing({ start: 0, end: Math.min(at, BLOB.length) }).length === 0);
    cached.touched({ start: at - 128 * KIB, end: at }, 5);
  }
  await until(() => entry.heldBytes === BLOB.length);
  expect(total(asked())).toBe(BLOB.length);
  cached.release(5);
  expect(entry.marks).toEqual([]);
});

test("what was read ahead and did not come is read ahead again", async () => {
  let refused = 0;
  const { cached, asked } = await cachedBench({
    handle: (seen) => {
      if (rangeLength(seen.range) < 256 * KIB || refused === 2) return seen.serve();
      refused += 1;
      raw(seen, 400, {});
    },
  });
  for (let start = 0; start < 4 * MIB; start += 4 * KIB) {
    const range = of(start, 4 * KIB);
    expectBytes(await cached.read(range, { handle: 1 }), range);
  }
  expect(refused).toBe(2);
  // A thousand reads: those before the stream runs, and a few until each loss is known.
  expect(asked().length).toBeLessThan(150);
});

test("closing the file drops what was only guessed for it", async () => {
  const { cached, server, budget } = await cachedBench({
    handle: (seen) => (rangeLength(seen.range) <= 128 * KIB ? seen.serve() : undefined),
  });
  for (let start = 0; start < 3 * 128 * KIB; start += 128 * KIB) await cached.read(of(start, 128 * KIB), { handle: 1 });
  const guesses = (): readonly Seen[] => server.seen.filter((seen) => rangeLength(seen.range) > 128 * KIB);
  await until(() => guesses().length > 0);
  cached.release(1);
  await until(() => guesses().some((seen) => seen.response.destroyed));
  await cached.close();
  await until(() => budget.used === 0);
});

import { existsSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { planEviction, type StoredUnit } from "../../src/cache/budget.ts";
import { REAL_FILES } from "../../src/cache/files.ts";
import { patterned } from "../conformance/cache.ts";
import { temporaryCache, type TemporaryCache } from "./temporary.ts";
import { startWarmThread } from "./warm-thread.ts";

const PAGE = 4096;
const size = 64 * PAGE;
let place: TemporaryCache;

beforeEach(() => {
  place = temporaryCache({ freeSpace: { bytes: 0, ratio: 0 } });
});
afterEach(() => place.cleanUp());

const idOf = (seed: number): string => digestOf(new Uint8Array([seed]));
const directoryOf = (id: string): string => join(place.directory, "v1/blobs/sha256", id.slice(7, 9), id.slice(7));

test("evicts the least recently used first, down to the low water mark, and never what is kept", () => {
  const unit = (directory: string, bytes: number, usedAtMs: number): StoredUnit => ({ directory, bytes, usedAtMs });
  const units = [unit("a", 40, 3), unit("b", 40, 1), unit("c", 40, 2), unit("d", 10, 0)];
  const plan = planEviction(units, { limit: 100, keep: (directory) => directory === "b" });
  expect(plan.evict.map(({ directory }) => directory)).toEqual(["d", "c"]);
  expect(plan.bytesAfter).toBe(80);
  expect(planEviction(units, { limit: 130, keep: () => false }).evict).toEqual([]);
  expect(planEviction(units, { limit: 0, keep: () => true })).toEqual({ evict: [], bytesAfter: 130 });
});

test("stays within the budget by evicting what nobody has open, oldest use first", async () => {
  const cache = await place.open({ limitBytes: 5 * size });
  for (let seed = 0; seed < 4; seed++) {
    const entry = cache.open(idOf(seed), size);
    await entry.write(0, patterned(size, seed));
    entry.close();
    await cache.settled();
    utimesSync(join(directoryOf(idOf(seed)), "used"), 1000 - seed, 1000 - seed);
  }
  const open = cache.open(idOf(9), size);
  await open.write(0, patterned(size, 9));
  const more = cache.open(idOf(10), size);
  await more.write(0, patterned(size, 10));
  await cache.settled();
  await more.write(0, patterned(size, 10));
  await cache.settled();
  expect((await cache.status()).bytes).toBeLessThanOrEqual(5 * size);
  expect([3, 9, 10, 0].map((seed) => existsSync(directoryOf(idOf(seed))))).toEqual([false, true, true, true]);
});

test("what is open fills the budget: on in memory, and on disk again when there is room", async () => {
  let now = 0;
  const cache = await place.open({ limitBytes: 2 * size, now: () => now });
  const entries = [0, 1, 2, 3].map((seed) => cache.open(idOf(seed), size));
  for (const [seed, entry] of entries.entries()) {
    await entry.write(0, patterned(size, seed));
    await cache.settled();
  }
  expect(place.lines).toEqual(["cache: what is open fills the budget; going on in memory"]);
  expect(existsSync(directoryOf(idOf(3)))).toBe(false);
  for (const [seed, entry] of entries.entries())
    expect(Buffer.compare((await entry.read({ start: 0, end: size })) ?? Buffer.alloc(0), patterned(size, seed))).toBe(
      0,
    );
  for (const entry of entries.slice(0, 3)) entry.close();
  await cache.settled();
  now += 61_000;
  const later = cache.open(idOf(5), size);
  await later.write(0, patterned(size, 5));
  await cache.settled();
  later.discard();
  await later.write(0, patterned(size, 5));
  expect(existsSync(directoryOf(idOf(5)))).toBe(true);
});

test("stops filling while the file system is nearly full, and says so once", async () => {
  let freeBytes = 10;
  const files = { ...REAL_FILES, facts: async () => ({ type: 0xef53, totalBytes: 1000, freeBytes }) };
  let now = 0;
  const cache = await place.open({ files, freeSpace: { bytes: 20, ratio: 0.05 }, now: () => now });
  const entry = cache.open(idOf(0), size);
  await entry.write(0, patterned(size).slice(0, PAGE));
  await cache.settled();
  await entry.write(PAGE, patterned(size).slice(PAGE, 2 * PAGE));
  expect(place.lines).toEqual(["cache: the disk is nearly full; going on in memory"]);
  expect((await place.open()).open(idOf(0), size).heldBytes).toBe(PAGE);
  expect(await entry.read({ start: 0, end: 2 * PAGE })).toEqual(new Uint8Array(patterned(size).slice(0, 2 * PAGE)));
  freeBytes = 500;
  now += 61_000;
  cache.mayFill();
  await cache.settled();
  await entry.write(2 * PAGE, patterned(size).slice(2 * PAGE, 3 * PAGE));
  expect((await place.open()).open(idOf(0), size).heldBytes).toBe(2 * PAGE);
});

test("segments of an open content are evicted when idle; a thread that reads them meanwhile sees right bytes or misses", async () => {
  let now = 0;
  const seed = 0;
  const large = 512 * PAGE;
  const segmentBytes = 32 * PAGE;
  const cache = await place.open({ limitBytes: 256 * PAGE, segmentBytes, now: () => now });
  const bytes = patterned(large, seed);
  const entry = cache.open(idOf(seed), large);
  const shared = new SharedArrayBuffer(8);
  Atomics.store(new Int32Array(shared), 1, entry.slot);
  const thread = await startWarmThread(cache.warm, 0);
  try {
    const count = thread.hammer(shared, { contents: 1, size: large });
    for (let round = 0; round < 2; round++) {
      for (let offset = 0; offset < large; offset += segmentBytes) {
        await entry.write(offset, bytes.slice(offset, offset + segmentBytes));
        now += 10_000;
        await cache.settled();
      }
    }
    Atomics.store(new Int32Array(shared), 0, 1);
    const { hits, wrong } = await count;
    expect([hits > 0, wrong]).toEqual([true, 0]);
    expect((await cache.status()).bytes).toBeLessThanOrEqual(256 * PAGE);
    expect(entry.missing({ start: 0, end: large }).length).toBeGreaterThan(0);
    expect(entry.heldBytes).toBeGreaterThan(0);
  } finally {
    await thread.stop();
  }
});

test("eviction by a neighbour does not change what is being read", async () => {
  const cache = await place.open();
  const entry = cache.open(idOf(0), size);
  await entry.write(0, patterned(size, 0));
  const neighbour = await place.open();
  expect((await neighbour.clear()).freedBytes).toBeGreaterThanOrEqual(size);
  expect(existsSync(directoryOf(idOf(0)))).toBe(false);
  expect(Buffer.compare((await entry.read({ start: 0, end: size })) ?? Buffer.alloc(0), patterned(size, 0))).toBe(0);
});

test("a fast writer stays within the budget while the measuring lags behind", async () => {
  const limitBytes = 64 * PAGE;
  let release = (): void => undefined;
  const lagging = new Promise<void>((resolve) => (release = resolve));
  let calls = 0;
  const facts = async (directory: string): Promise<Awaited<ReturnType<typeof REAL_FILES.facts>>> => {
    calls += 1;
    if (calls > 1) await lagging;
    return REAL_FILES.facts(directory);
  };
  const cache = await place.open({ limitBytes, files: { ...REAL_FILES, facts } });
  const large = 512 * PAGE;
  const bytes = patterned(large, 1);
  const entry = cache.open(idOf(1), large);
  for (let offset = 0; offset < large; offset += 8 * PAGE)
    await entry.write(offset, bytes.slice(offset, offset + 8 * PAGE));
  release();
  await cache.close();
  expect((await (await place.open({ limitBytes })).status()).bytes).toBeLessThanOrEqual(limitBytes);
});

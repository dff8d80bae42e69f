import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { Arena } from "../../src/cache/arena.ts";
import { Quarantine } from "../../src/cache/quarantine.ts";
import { SharedSlot } from "../../src/cache/shared-slot.ts";
import { WarmReader } from "../../src/cache/warm-reader.ts";
import { patterned } from "../conformance/cache.ts";
import { temporaryCache, type TemporaryCache } from "./temporary.ts";

const PAGE = 4096;
let place: TemporaryCache;

beforeEach(() => {
  place = temporaryCache({ freeSpace: { bytes: 0, ratio: 0 } });
});
afterEach(() => place.cleanUp());

const idOf = (seed: number): string => digestOf(Buffer.from(`content ${seed}`));

/** Resident bytes that are not the JavaScript heap's: where the arena's pages would be. */
function residentKib(): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
  return Number(line?.[1] ?? 0);
}

function descriptorsBelow(directory: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory);
    } catch {
      return false;
    }
  }).length;
}

test.skipIf(process.platform !== "linux")(
  "the arena's reservation costs memory only where it is used (reads /proc)",
  () => {
    const before = residentKib();
    const arenas = Array.from({ length: 8 }, () => new Arena());
    expect(arenas.reduce((sum, arena) => sum + arena.buffer.byteLength, 0)).toBe(512 * 1024 * 1024);
    expect(residentKib() - before).toBeLessThan(32 * 1024);
  },
);

test("a 5 TiB content of which three pages were read costs kilobytes of shared memory", async () => {
  const arena = new Arena();
  const start = arena.allocate(1);
  const slot = new SharedSlot(arena, {
    quarantine: new Quarantine(arena.words),
    shape: { kind: "segments", size: 5 * 2 ** 40, segments: 20480, leafShift: 16 },
  });
  for (const leaf of [0, 777, 20479]) slot.leaf(leaf, 2048);
  expect((arena.allocate(1) - start) * 4).toBeLessThan(300 * 1024);

  const cache = await place.open({ limitBytes: 2 ** 34 });
  const entry = cache.open(idOf(0), 5 * 2 ** 40);
  const page = patterned(PAGE, 4);
  for (const offset of [0, 2 ** 41, 5 * 2 ** 40 - PAGE]) await entry.write(offset, page);
  expect(entry.heldBytes).toBe(3 * PAGE);
  const target = new Uint8Array(PAGE);
  const result = { bytes: 0, crossed: false, proven: false };
  new WarmReader(cache.warm, 0).read(entry.slot, 2 ** 41, PAGE, target, 0, result);
  expect([result.bytes, target]).toEqual([PAGE, page]);
  expect((await cache.status()).bytes).toBeLessThan(64 * 1024);
});

test("3,000 open contents of which 200 are filled: few descriptors, every byte right, warm again after a miss", async () => {
  const cache = await place.open({ maxOpenFiles: 24 });
  const entries = Array.from({ length: 3000 }, (_, seed) => cache.open(idOf(seed), PAGE));
  expect(new Set(entries.map((entry) => entry.slot)).size).toBe(3000);
  for (let seed = 0; seed < 200; seed++) await entries[seed]?.write(0, patterned(PAGE, seed));
  expect(cache.descriptors.open).toBeLessThanOrEqual(24);
  if (process.platform === "linux") expect(descriptorsBelow(place.directory)).toBeLessThanOrEqual(24);
  const reader = new WarmReader(cache.warm, 0);
  const target = new Uint8Array(PAGE);
  const result = { bytes: 0, crossed: false, proven: false };
  let misses = 0;
  for (let seed = 0; seed < 200; seed += 3) {
    const entry = entries[seed];
    reader.read(entry?.slot ?? 0, 0, PAGE, target, 0, result);
    if (result.bytes < 0) {
      misses += 1;
      expect(await entry?.read({ start: 0, end: PAGE })).toEqual(new Uint8Array(patterned(PAGE, seed)));
      reader.read(entry?.slot ?? 0, 0, PAGE, target, 0, result);
    }
    expect([result.bytes, target]).toEqual([PAGE, patterned(PAGE, seed)]);
  }
  expect(misses).toBeGreaterThan(10);
  expect(cache.descriptors.open).toBeLessThanOrEqual(24);
});

test("when the arena is full a content goes on through the main thread alone", async () => {
  const cache = await place.open({ arenaBytes: 1 });
  const size = 2 ** 20;
  const entries = Array.from({ length: 40 }, (_, seed) => cache.open(idOf(seed), size));
  for (const [seed, entry] of entries.entries()) {
    await entry.write(0, patterned(PAGE, seed));
    expect(await entry.read({ start: 0, end: PAGE })).toEqual(new Uint8Array(patterned(PAGE, seed)));
  }
  const reader = new WarmReader(cache.warm, 0);
  const result = { bytes: 0, crossed: false, proven: false };
  reader.read(entries[39]?.slot ?? 0, 0, PAGE, new Uint8Array(PAGE), 0, result);
  expect(result.bytes).toBe(-1);
});

test("slots and words are used again after a close, but a handle never is", () => {
  const arena = new Arena();
  const quarantine = new Quarantine(arena.words);
  const seen = new Set<number>();
  let highest = 0;
  for (let round = 0; round < 1000; round++) {
    const slot = new SharedSlot(arena, { quarantine, shape: { kind: "file", size: 2 ** 30, leaves: 4 } });
    slot.leaf(3, 2048);
    expect(seen.has(slot.handle)).toBe(false);
    seen.add(slot.handle);
    slot.release();
    highest = Math.max(highest, arena.allocate(1));
  }
  expect(highest * 4).toBeLessThan(5 * 1024 * 1024);
});

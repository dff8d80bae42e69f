import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { WarmReader } from "../../src/cache/warm-reader.ts";
import { patterned } from "../conformance/cache.ts";
import { temporaryCache, type TemporaryCache } from "./temporary.ts";
import { startWarmThread } from "./warm-thread.ts";

const PAGE = 4096;
const size = 40 * PAGE + 17;
let place: TemporaryCache;

beforeEach(() => {
  place = temporaryCache({ freeSpace: { bytes: 0, ratio: 0 } });
});
afterEach(() => place.cleanUp());

const idOf = (seed: number): string => digestOf(new Uint8Array([seed]));

test("another thread reads what was written, and misses what was not", async () => {
  const cache = await place.open();
  const entry = cache.open(idOf(0), size);
  const bytes = patterned(size, 0);
  await entry.write(0, bytes.slice(0, 4 * PAGE));
  await entry.write(40 * PAGE, bytes.slice(40 * PAGE));
  const thread = await startWarmThread(cache.warm, 3);
  try {
    expect(await thread.read(entry.slot, 100, 5000)).toEqual({
      bytes: 5000,
      crossed: false,
      proven: false,
      data: bytes.slice(100, 5100),
    });
    expect((await thread.read(entry.slot, 3 * PAGE, PAGE + 1)).bytes).toBe(-1);
    expect((await thread.read(entry.slot, 40 * PAGE, 9000)).data).toEqual(bytes.slice(40 * PAGE));
    expect((await thread.read(entry.slot, size, 10)).bytes).toBe(0);
    expect((await thread.read(0, 0, 10)).bytes).toBe(-1);
    // What is written later is seen without any message.
    await entry.write(4 * PAGE, bytes.slice(4 * PAGE, 40 * PAGE));
    expect((await thread.read(entry.slot, 0, size)).data).toEqual(bytes);
  } finally {
    await thread.stop();
  }
});

test("a slot outlives a discard, and never answers with bytes of the life before", async () => {
  const cache = await place.open();
  const entry = cache.open(idOf(1), size);
  await entry.write(0, patterned(size, 1));
  const { slot } = entry;
  const reader = new WarmReader(cache.warm, 0);
  const target = new Uint8Array(size);
  const result = { bytes: 0, crossed: false, proven: false };
  reader.read(slot, 0, size, target, 0, result);
  expect(result.bytes).toBe(size);
  entry.discard();
  reader.read(slot, 0, size, target, 0, result);
  expect(result.bytes).toBe(-1);
  await entry.write(PAGE, patterned(size, 2).slice(PAGE, 2 * PAGE));
  reader.read(entry.slot, 0, 2 * PAGE, target, 0, result);
  expect(result.bytes).toBe(-1);
  reader.read(entry.slot, PAGE, PAGE, target, 0, result);
  expect([result.bytes, target.slice(0, PAGE)]).toEqual([PAGE, patterned(size, 2).slice(PAGE, 2 * PAGE)]);
  entry.close();
  await cache.settled();
  const other = cache.open(idOf(2), size);
  await other.write(0, patterned(size, 3));
  expect(other.slot).not.toBe(slot);
  reader.read(slot, 0, 10, target, 0, result);
  expect(result.bytes).toBe(-1);
});

test("marks are told of when a read covers them, proof when everything was checked", async () => {
  const cache = await place.open();
  const bytes = patterned(size, 4);
  const entry = cache.open(digestOf(bytes), size);
  await entry.write(0, bytes);
  entry.setMarks([2 * PAGE, 0, 7777]);
  const reader = new WarmReader(cache.warm, 0);
  const target = new Uint8Array(size);
  const result = { bytes: 0, crossed: false, proven: false };
  const crossed = (offset: number, length: number): boolean => {
    reader.read(entry.slot, offset, length, target, 0, result);
    return result.crossed;
  };
  expect([crossed(0, 1), crossed(1, PAGE), crossed(7000, 777), crossed(7000, 778), crossed(2 * PAGE, 1)]).toEqual([
    true,
    false,
    false,
    true,
    true,
  ]);
  entry.setMarks([]);
  expect(crossed(0, size)).toBe(false);
  expect(result.proven).toBe(false);
  expect(await entry.verify(digestOf(bytes))).toBe("full");
  crossed(0, size);
  expect(result.proven).toBe(true);
});

test("segments and contents of many leaves are read across their edges", async () => {
  const cache = await place.open({ limitBytes: 64 * PAGE, segmentBytes: 8 * PAGE });
  const bytes = patterned(size, 5);
  const entry = cache.open(idOf(5), size);
  await entry.write(0, bytes.slice(0, 20 * PAGE));
  const reader = new WarmReader(cache.warm, 0);
  const target = new Uint8Array(size);
  const result = { bytes: 0, crossed: false, proven: false };
  reader.read(entry.slot, 7 * PAGE + 5, 10 * PAGE, target, 0, result);
  expect(result.bytes).toBe(10 * PAGE);
  expect(target.slice(0, 10 * PAGE)).toEqual(bytes.slice(7 * PAGE + 5, 17 * PAGE + 5));
  reader.read(entry.slot, 19 * PAGE, PAGE + 1, target, 0, result);
  expect(result.bytes).toBe(-1);

  const edge = 256 * 1024 * 1024;
  const plain = await place.open();
  const large = plain.open(idOf(6), 3 * edge);
  await large.write(edge - PAGE, bytes.slice(0, 2 * PAGE));
  const far = new WarmReader(plain.warm, 1);
  far.read(large.slot, edge - 10, 20, target, 0, result);
  expect([result.bytes, target.slice(0, 20)]).toEqual([20, bytes.slice(PAGE - 10, PAGE + 10)]);
  far.read(large.slot, edge + PAGE - 1, 2, target, 0, result);
  expect(result.bytes).toBe(-1);
});

test("no reader sees a wrong byte while descriptors are given up, contents evicted, thrown away and filled anew", async () => {
  const contents = 6;
  const cache = await place.open({ maxOpenFiles: 4, limitBytes: 1 << 30 });
  const shared = new SharedArrayBuffer(4 * (1 + contents));
  const words = new Int32Array(shared);
  const bytes = Array.from({ length: contents }, (_, seed) => patterned(size, seed));
  const entries = bytes.map((_, seed) => cache.open(idOf(seed), size));
  const threads = await Promise.all([startWarmThread(cache.warm, 0), startWarmThread(cache.warm, 1)]);
  try {
    const counts = threads.map((thread) => thread.hammer(shared, { contents, size }));
    for (let round = 0; round < 150; round++) {
      const which = (round * 5) % contents;
      const entry = entries[which];
      const content = bytes[which];
      if (entry === undefined || content === undefined) throw new Error("no such content");
      if (round % 7 === 3) entry.discard();
      if (round % 11 === 5) {
        entry.close();
        entries[which] = cache.open(idOf(which), size);
      }
      const open = entries[which];
      for (let offset = 0; offset < size; offset += 10 * PAGE)
        await open?.write(offset, content.slice(offset, offset + 10 * PAGE));
      Atomics.store(words, 1 + which, open?.slot ?? 0);
    }
    Atomics.store(words, 0, 1);
    for (const count of await Promise.all(counts)) {
      expect(count.wrong).toBe(0);
      expect(count.hits).toBeGreaterThan(100);
    }
  } finally {
    for (const thread of threads) await thread.stop();
  }
});

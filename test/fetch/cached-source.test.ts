import { expect, test, vi } from "vitest";
import { rangeLength } from "../../src/bytes/range.ts";
import type { ReadOutcome } from "../../src/fetch/cached-source.ts";
import { BLOB, cachedBench, expectBytes, KIB, MIB, of, together, total, until } from "../support/cached-bench.ts";
import { raw } from "../support/served-blob.ts";

test("a read fetches the pages that it touches, once, and says what was there", async () => {
  const { cached, entry, asked } = await cachedBench();
  const outcomes: ReadOutcome[] = [];
  const onOutcome = (outcome: ReadOutcome): void => void outcomes.push(outcome);
  expectBytes(await cached.read(of(5000, 100), { onOutcome }), of(5000, 100));
  expectBytes(await cached.read(of(4096, 4096), { onOutcome }), of(4096, 4096));
  expectBytes(await cached.read(of(8000, 1000), { onOutcome }), of(8000, 1000));
  expectBytes(await cached.read({ start: BLOB.length - 10, end: BLOB.length + 10 }), of(BLOB.length - 10, 10));
  expect(await cached.read(of(BLOB.length + 5, 10))).toEqual(new Uint8Array(0));
  expect(asked()).toEqual([of(4096, 4096), of(8192, 4096), { start: 24 * MIB, end: BLOB.length }]);
  expect(outcomes).toEqual([
    { bytes: 100, fromCache: 0 },
    { bytes: 4096, fromCache: 4096 },
    { bytes: 1000, fromCache: 192 },
  ]);
  await vi.waitFor(() => expect(entry.heldBytes).toBe(8192 + 1234));
  await expect(cached.read({ start: 2, end: 1 })).rejects.toMatchObject({ code: "usage" });
});

test("sixty-four random reads of 64 KiB are at most as many requests, and next to no other bytes", async () => {
  const { cached, asked } = await cachedBench({ latencyMs: 1 });
  const order = Array.from({ length: 64 }, (_, index) => of(((index * 37) % 64) * 384 * KIB, 64 * KIB));
  const readers = Array.from({ length: 8 }, async (_, reader) => {
    for (const range of order.filter((_range, index) => index % 8 === reader)) {
      expectBytes(await cached.read(range, { handle: reader }), range);
    }
  });
  await Promise.all(readers);
  expect(asked().length).toBeLessThanOrEqual(64);
  expect(total(asked())).toBeLessThanOrEqual(1.05 * 64 * 64 * KIB);
});

test("readMany is planned as one: joined over small gaps, at most eight requests at once", async () => {
  const { cached, asked, server } = await cachedBench({ handle: together(8) });
  const columns = Array.from({ length: 20 }, (_, index) => of(index * 40_000, 20_000));
  const far = Array.from({ length: 20 }, (_, index) => of(4 * MIB + index * MIB, 4096));
  const ranges = [...columns, ...far];
  const got = await cached.readMany(ranges);
  ranges.forEach((range, index) => expectBytes(got[index] ?? new Uint8Array(0), range));
  expect(asked().length).toBe(21);
  expect(server.peak).toBe(8);
});

test("frugal joins over nothing and reads nothing ahead", async () => {
  const { cached, asked } = await cachedBench({}, { frugal: true });
  await cached.readMany([of(0, 4096), of(8192, 4096)]);
  for (let index = 4; index < 20; index++) await cached.read(of(index * 4096, 4096), { handle: 1 });
  expect(total(asked())).toBe(18 * 4096);
});

test("a large read is shared by eight connections", async () => {
  const { cached, asked } = await cachedBench({ handle: together(7) });
  expectBytes(await cached.read(of(0, 24 * MIB)), of(0, 24 * MIB));
  expect(asked().map(rangeLength)).toEqual(Array.from({ length: 8 }, () => 3 * MIB));
});

test("readers of the same bytes share one request, whether it is planned, sent or arriving", async () => {
  let finish = (): void => {};
  // One connection, so that the read is not cut: a block of it is in the cache while the next arrives.
  const { cached, asked, entry } = await cachedBench(
    {
      handle: ({ response }) => {
        const range = `bytes 0-${2 * MIB - 1}/${BLOB.length}`;
        response.writeHead(206, { "content-length": 2 * MIB, "content-range": range });
        response.write(BLOB.subarray(0, 1_300_000));
        finish = () => void response.end(BLOB.subarray(1_300_000, 2 * MIB));
      },
    },
    { perBlobLimit: 1 },
  );
  const planned = [cached.read(of(0, 2 * MIB)), cached.read(of(100, 2 * MIB - 100))];
  await until(() => asked().length > 0);
  const sent = cached.read(of(200, 100));
  await until(() => entry.heldBytes > 0);
  // From the cache, from what is gathered, and from what is to come.
  const arriving = cached.read(of(4000, 1_600_000));
  expectBytes(await sent, of(200, 100));
  await new Promise((resolve) => setImmediate(resolve));
  finish();
  expectBytes(await arriving, of(4000, 1_600_000));
  expectBytes((await planned[0]) ?? new Uint8Array(0), of(0, 2 * MIB));
  expectBytes((await planned[1]) ?? new Uint8Array(0), of(100, 2 * MIB - 100));
  expect(asked()).toEqual([of(0, 2 * MIB)]);
});

test("one reader's abort leaves the others; the last one's ends the request", async () => {
  const { cached, server } = await cachedBench({ handle: () => {} });
  const one = new AbortController();
  const two = new AbortController();
  const reads = [cached.read(of(0, MIB), { signal: one.signal }), cached.read(of(0, MIB), { signal: two.signal })];
  const outcomes = reads.map((read) => read.catch((error: unknown) => error));
  await until(() => server.seen.length > 0);
  one.abort();
  expect(await outcomes[0]).toMatchObject({ code: "aborted" });
  expect(server.seen[0]?.request.destroyed).toBe(false);
  const closed = new Promise((resolve) => server.seen[0]?.response.once("close", resolve));
  two.abort();
  expect(await outcomes[1]).toMatchObject({ code: "aborted" });
  await closed;
});

test("a failed read rejects those who wait for it alone, and the next one tries anew", async () => {
  const { cached, asked } = await cachedBench({
    handle: (seen, index) => (index === 0 ? raw(seen, 404, {}) : seen.serve()),
  });
  const [lost, again] = await Promise.allSettled([cached.read(of(0, 4096)), cached.read(of(8 * MIB, 4096))]);
  expect([lost.status, again.status]).toEqual(["rejected", "fulfilled"]);
  expectBytes(await cached.read(of(0, 4096)), of(0, 4096));
  expect(asked()).toHaveLength(3);
});

test("a reader gets its bytes though the cache keeps nothing", async () => {
  const { cached, asked } = await cachedBench({}, { cache: { maxPages: 0 } });
  for (let round = 0; round < 2; round++) expectBytes(await cached.read(of(1000, 2 * MIB)), of(1000, 2 * MIB));
  expect(asked()).toEqual([of(0, 1_052_672), of(1_052_672, 1_048_576), of(0, 1_052_672), of(1_052_672, 1_048_576)]);
});

test("pages that vanish between the look and the read are fetched", async () => {
  let vanished = 0;
  const vanishes = (): boolean => (vanished += 1) <= 2;
  const { cached, asked } = await cachedBench({}, { cache: { vanishes } });
  await cached.read(of(0, 64 * KIB));
  expectBytes(await cached.read(of(0, 64 * KIB)), of(0, 64 * KIB));
  expectBytes(await cached.read(of(0, 128 * KIB)), of(0, 128 * KIB));
  expect(total(asked())).toBeLessThanOrEqual(256 * KIB);
});

test("bytes that the cache has not taken yet are served from memory, and hold back a fast link", async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  const { cached, asked, entry } = await cachedBench({}, { cache: { beforeWrite: () => gate } });
  expectBytes(await cached.read(of(0, MIB)), of(0, MIB));
  expectBytes(await cached.read(of(5000, MIB - 5000)), of(5000, MIB - 5000));
  expect(asked()).toHaveLength(1);
  expect(entry.heldBytes).toBe(0);
  open();
});

test("the last byte calls onComplete", async () => {
  const onComplete = vi.fn<() => void>();
  const { cached } = await cachedBench({}, { onComplete });
  await cached.read(of(0, BLOB.length - 1));
  await vi.waitFor(() => expect(onComplete).toHaveBeenCalled());
  await cached.close();
  expect(onComplete).toHaveBeenCalledTimes(1);
});

test("close rejects what waits and what comes", async () => {
  const { cached, server } = await cachedBench({ handle: () => {} });
  const waiting = cached.read(of(0, 10)).catch((error: unknown) => error);
  await until(() => server.seen.length > 0);
  await cached.close();
  expect(await waiting).toMatchObject({ code: "closed" });
  await expect(cached.read(of(0, 10))).rejects.toMatchObject({ code: "closed" });
});

test("a read that is not answered in time rejects", async () => {
  const { cached } = await cachedBench({ handle: () => {} }, { timeoutMs: 20 });
  await expect(cached.read(of(0, 10))).rejects.toMatchObject({ code: "timeout" });
});

test("a reader is answered before the disk is written to, and closing leaves nothing unwritten", async () => {
  const written: string[] = [];
  const { cached, entry } = await cachedBench(
    {},
    { cache: { beforeWrite: async () => void written.push("a write began") } },
  );
  await cached.read(of(0, 4096));
  expect(written).toEqual([]);
  await cached.close();
  expect([written.length, entry.heldBytes]).toEqual([1, 4096]);
});

import { afterEach, expect, test } from "vitest";
import { openArtifact } from "../../src/artifact/open-artifact.ts";
import { noise } from "../support/content.ts";
import { LATE_MS, LIMIT_MS } from "../support/faults/fault-table.ts";
import {
  startFaultyRegistry,
  type FaultyRegistry,
  type FaultyRegistryOptions,
} from "../support/faults/faulty-registry.ts";

const SIZE = 24 * 1024 * 1024;
const PIECE = 1024 * 1024;
const bytes = noise(81, { start: 0, end: SIZE });
const files = [{ title: "a.bin", bytes }];
let registry: FaultyRegistry;
afterEach(() => registry[Symbol.asyncDispose]());

async function serve(options: Omit<FaultyRegistryOptions, "files"> = {}): Promise<void> {
  registry = await startFaultyRegistry({ files, ...options });
}

/** Reads from the first to the last byte; what came is compared piece by piece. */
async function readAll(): Promise<void> {
  await using artifact = await openArtifact(registry.reference, { timeoutMs: LIMIT_MS });
  let at = 0;
  for await (const piece of artifact.file("a.bin").stream()) {
    expect(Buffer.compare(piece, bytes.subarray(at, at + piece.length))).toBe(0);
    at += piece.length;
  }
  expect([at, artifact.stats().errors]).toEqual([SIZE, 0]);
}

/** Reads one page of each half megabyte, one after the other: a request each. */
async function readPages(): Promise<number> {
  await using artifact = await openArtifact(registry.reference, { timeoutMs: LIMIT_MS, frugal: true });
  registry.forget();
  for (let start = 0; start < SIZE; start += PIECE / 2) {
    const piece = await artifact.file("a.bin").read({ start, end: start + 4096 });
    expect(Buffer.compare(piece, bytes.subarray(start, start + 4096))).toBe(0);
  }
  // one more where this machine made us think that an answer was lost
  expect(registry.asked.length - 2 * (SIZE / PIECE)).toBeLessThanOrEqual(2);
  return registry.requests() - registry.asked.length;
}

/** The request at which something runs out, while others are under way. */
const MIDDLE = 4;

test("a token that runs out under a stream: renewed, no error", async () => {
  await serve({ tokenLife: 1000, fault: ({ before }) => void (before === MIDDLE && registry.revoke()) });
  await readAll();
  expect(registry.tokens()).toBe(2);
});

test("an address that runs out under a stream: renewed, no error", async () => {
  await serve({ urlLife: 1000, fault: ({ before }) => void (before === MIDDLE && registry.expire()) });
  await readAll();
  // a manifest, a redirect; then for every request under way when the address runs out, a refusal and a redirect
  expect(registry.requests() - registry.asked.length).toBeLessThanOrEqual(2 + 9 * 2);
});

test("tokens that are good for five requests: one more is asked for every five", async () => {
  await serve({ tokenLife: 5 });
  // a refusal and a token each
  expect(await readPages()).toBeLessThanOrEqual(2 * (48 / 5 + 1));
});

test("addresses that are good for three requests: one more is asked for every three", async () => {
  await serve({ urlLife: 3 });
  // a refusal and a redirect each
  expect(await readPages()).toBeLessThanOrEqual(2 * (48 / 3 + 1));
});

test("both at once", async () => {
  await serve({ tokenLife: 4, urlLife: 3 });
  await readPages();
});

test("an address that is good for one request only is renewed for each", async () => {
  await serve({ urlLife: 1 });
  await using artifact = await openArtifact(registry.reference, { timeoutMs: LIMIT_MS });
  for (let from = 0; from < 8 * PIECE; from += 2 * PIECE) {
    const piece = await artifact.file("a.bin").read({ start: from, end: from + 4096 });
    expect(Buffer.compare(piece, bytes.subarray(from, from + 4096))).toBe(0);
  }
  expect(registry.requests()).toBeLessThanOrEqual(2 + 4 * 4);
});

test("the tag is moved in the middle of a read: the pinned bytes to the end; a new opening sees the new ones", async () => {
  await serve();
  await using artifact = await openArtifact(registry.reference, { timeoutMs: LIMIT_MS });
  const file = artifact.file("a.bin");
  expect(Buffer.compare(await file.read({ start: 0, end: PIECE }), bytes.subarray(0, PIECE))).toBe(0);
  const moved = noise(82, { start: 0, end: 2 * PIECE });
  registry.moveTag([{ title: "a.bin", bytes: moved }]);
  const range = { start: SIZE - PIECE, end: SIZE };
  expect(Buffer.compare(await file.read(range), bytes.subarray(range.start))).toBe(0);
  await using again = await openArtifact(registry.reference, { timeoutMs: LIMIT_MS });
  expect([again.digest === artifact.digest, again.file("a.bin").size]).toEqual([false, 2 * PIECE]);
  expect(Buffer.compare(await again.file("a.bin").bytes(), moved)).toBe(0);
});

test("a registry that refuses connections for a while: an error in time, held bytes as before, and it recovers", async () => {
  await serve();
  await using artifact = await openArtifact(registry.reference, { timeoutMs: LIMIT_MS });
  const file = artifact.file("a.bin");
  const held = { start: 0, end: PIECE };
  const absent = { start: 8 * PIECE, end: 9 * PIECE };
  await file.read(held);
  await registry.refuse();
  const begun = performance.now();
  await expect(file.read(absent)).rejects.toMatchObject({ code: "unreachable" });
  expect(performance.now() - begun).toBeLessThan(LATE_MS);
  expect(Buffer.compare(await file.read(held), bytes.subarray(0, PIECE))).toBe(0);
  registry.forget();
  await registry.accept();
  expect(Buffer.compare(await file.read(absent), bytes.subarray(absent.start, absent.end))).toBe(0);
  expect(registry.count("a.bin")).toBeLessThanOrEqual(2);
});

test("one slow answer of many delays only the bytes that it carries", async () => {
  await serve({ fault: ({ range }) => (range.start === 4 * PIECE ? { kind: "slow", ms: 800 } : undefined) });
  await using artifact = await openArtifact(registry.reference, { timeoutMs: LIMIT_MS });
  const done: number[] = [];
  const reads = Array.from({ length: 8 }, async (_, index) => {
    const range = { start: index * 2 * PIECE, end: index * 2 * PIECE + 4096 };
    const piece = await artifact.file("a.bin").read(range);
    expect(Buffer.compare(piece, bytes.subarray(range.start, range.end))).toBe(0);
    done.push(index);
  });
  await Promise.all(reads);
  expect(done.at(-1)).toBe(2);
  expect([...done].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

import { expect } from "vitest";
import { Limiter } from "../../src/bytes/limiter.ts";
import { rangeLength, type ByteRange } from "../../src/bytes/range.ts";
import { ByteBudget } from "../../src/fetch/budget.ts";
import { cachedSource, type CachedSource, type CachedSourceOptions } from "../../src/fetch/cached-source.ts";
import { memoryEntry, type MemoryEntry, type MemoryEntryOptions } from "./memory-entry.ts";
import type { Moved } from "./counting-meter.ts";
import { patternBytes, type RangeServer, type RangeServerOptions, type Seen } from "./range-server.ts";
import { blobOf, serve } from "./served-blob.ts";

export const KIB = 1024;
export const MIB: number = 1024 * KIB;

/** What the servers of these tests hold: does not end on a page. */
export const BLOB: Uint8Array = patternBytes(24 * MIB + 1234);

export interface CachedBench {
  readonly server: RangeServer;
  readonly entry: MemoryEntry;
  readonly cached: CachedSource;
  readonly budget: ByteBudget;
  readonly moved: Moved;
  /** The ranges that the server was asked for, in order. */
  readonly asked: () => readonly ByteRange[];
}

/** A cached source over a server and a memory entry, all of which end with the test. */
export async function cachedBench(
  server: RangeServerOptions = {},
  options: Partial<CachedSourceOptions> & { readonly cache?: MemoryEntryOptions } = {},
): Promise<CachedBench> {
  const running = await serve(server, BLOB);
  const entry = memoryEntry("sha256:x", BLOB.length, options.cache);
  const source = blobOf(running, { size: BLOB.length });
  const budget = options.budget ?? new ByteBudget();
  const cached = cachedSource({ source, entry, limiter: new Limiter(32), ...options, budget });
  return {
    server: running,
    entry,
    cached,
    budget,
    moved: source.moved,
    asked: () => running.seen.map((seen) => seen.range),
  };
}

export function expectBytes(bytes: Uint8Array, { start, end }: ByteRange): void {
  expect(Buffer.compare(bytes, BLOB.subarray(start, end))).toBe(0);
}

/** Answers the first request, which finds out where the blob lies, and of the others none before `count` are there. */
export function together(count: number): (seen: Seen, index: number) => void {
  const waiting: Seen[] = [];
  let isOpen = false;
  return (seen, index) => {
    if (index === 0 || isOpen) return seen.serve();
    isOpen = waiting.push(seen) === count;
    if (isOpen) for (const each of waiting) each.serve();
  };
}

export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

export function of(start: number, length: number): ByteRange {
  return { start, end: start + length };
}

export function total(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, range) => sum + rangeLength(range), 0);
}

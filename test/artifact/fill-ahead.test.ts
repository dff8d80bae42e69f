import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { open, type OpenedArtifact, type OpenOptions } from "../../src/index.ts";
import { putArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { temporaryFolder, type Folder } from "../support/processes.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const PART = 4 * MIB;
const big = noise(61, { start: 0, end: 24 * MIB });
const small = noise(62, { start: 0, end: 300 * KIB });

let registry: RegistryHandle;
let folder: Folder;
let reference: string;
let logged: string[];

beforeEach(async () => {
  registry = await spawnRegistry();
  folder = temporaryFolder("fill-ahead");
  logged = [];
  const file = (title: string, bytes: Uint8Array) => ({ title, content: { kind: "bytes", bytes } as const });
  const made = { kind: "noise", seed: 61, size: big.length } as const;
  ({ reference } = await putArtifact(
    registry,
    { repository: "artifact/fill", tag: "v1" },
    {
      files: [
        { title: "big.bin", content: made },
        { title: "same.bin", content: made },
        file("table.parquet", small),
        file("scene.tif", small.slice(1)),
        file("left.txt", small.slice(2)),
      ],
    },
  ));
});
afterEach(async () => {
  await registry.close();
  folder.remove();
});

const opened = (options: OpenOptions): Promise<OpenedArtifact> =>
  open(reference, {
    cacheDir: folder.sub("cache"),
    log: (level, message) => void (level === "warn" && logged.push(message)),
    ...options,
  });
const state = (artifact: OpenedArtifact): string | undefined => artifact.stats().prefetch?.state;
const ended = (artifact: OpenedArtifact): Promise<void> =>
  expect.poll(() => state(artifact), { timeout: 25_000, interval: 20 }).not.toBe("running");
const blobs = async (): Promise<{ readonly requests: number; readonly bytes: number }> =>
  (await registry.counters()).kinds.blob;

describe("all", () => {
  test("brings what the tree shows, once, and counts no read", async () => {
    await using artifact = await opened({ prefetch: "all", exclude: ["left.txt"] });
    await ended(artifact);
    const size = big.length + 2 * small.length - 1;
    const { prefetch, reads, bytesRead, errors } = artifact.stats();
    expect(prefetch).toEqual({ mode: "all", state: "done", bytes: size, size });
    expect([reads, bytesRead, errors, logged]).toEqual([0, 0, 0, []]);
    const filled = await blobs();
    expect(filled.bytes).toBe(size);
    // The parts of the large file; of the others the first bytes, and what lies around them.
    expect(filled.requests).toBeLessThanOrEqual(big.length / PART + 6);
    await registry.reset();
    const all = await artifact.file("same.bin").bytes();
    expect(Buffer.compare(all, big)).toBe(0);
    expect((await blobs()).requests).toBe(0);
    await artifact.file("scene.tif").bytes();
    expect((await blobs()).requests).toBe(0);
  });

  test("is overtaken while it stalls: what it holds is let go, and it goes on behind the reader", async () => {
    await registry.configure({ stall: { every: 1 } });
    await using artifact = await opened({ prefetch: "all", include: ["big.bin"] });
    const stalled = async (): Promise<number> => (await registry.counters()).stalled;
    // Four parts at once, which lie beside each other: two requests.
    await expect.poll(stalled, { timeout: 10_000, interval: 10 }).toBe(2);
    await registry.configure({ stall: false });
    const range = { start: 20 * MIB, end: 20 * MIB + 5000 };
    const bytes = await artifact.file("big.bin").bytes(range);
    expect(Buffer.compare(bytes, big.subarray(range.start, range.end))).toBe(0);
    // Two stalled ones, and the reader's.
    expect((await blobs()).requests).toBe(3);
    await expect.poll(async () => (await registry.counters()).aborted, { timeout: 10_000, interval: 10 }).toBe(2);
    await ended(artifact);
    expect([state(artifact), artifact.stats().hedged, logged]).toEqual(["done", 0, []]);
    expect((await blobs()).bytes).toBe(big.length);
    await registry.reset();
    expect(Buffer.compare(await artifact.file("big.bin").bytes(), big)).toBe(0);
    expect((await blobs()).requests).toBe(0);
  });

  test("keeps the request that a reader has come to wait for", async () => {
    await registry.configure({ ratePerConnection: 8 * MIB });
    await using artifact = await opened({ prefetch: "all", include: ["big.bin"] });
    await expect.poll(async () => (await blobs()).bytes, { timeout: 10_000, interval: 5 }).toBeGreaterThan(0);
    const range = { start: PART - 5000, end: PART };
    const bytes = await artifact.file("big.bin").bytes(range);
    expect(Buffer.compare(bytes, big.subarray(range.start, range.end))).toBe(0);
    // The first part came by the request that was under way.
    const asked = (await registry.records()).filter(({ kind }) => kind === "blob").map(({ range: header }) => header);
    const places = asked.map(
      (header) =>
        /^bytes=(\d+)-(\d+)$/
          .exec(header ?? "")
          ?.slice(1)
          .map(Number) ?? [],
    );
    const theirs = places.filter(([from = 0, to = 0]) => from < range.end && to >= range.start);
    expect(theirs).toEqual([[0, 2 * PART - 1]]);
  });

  test("stops at what the cache keeps, with one word", async () => {
    await using artifact = await opened({ prefetch: "all", cacheBytes: 10 * MIB });
    await ended(artifact);
    expect(artifact.stats().prefetch).toMatchObject({ state: "full", bytes: 2 * PART });
    expect((await blobs()).bytes).toBeLessThan(10 * MIB);
    expect(logged).toEqual(["prefetching has stopped: the cache keeps no more"]);
  });

  test("says once that the registry is gone, and hurts nobody", async () => {
    await registry.configure({ latencyMs: 300 });
    await using artifact = await opened({ prefetch: "all", timeoutMs: 1000 });
    await registry.close();
    await ended(artifact);
    expect(state(artifact)).toBe("failed");
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatch(/^prefetching: /);
    expect([artifact.stats().errors, artifact.errors()]).toEqual([0, ""]);
  });

  test("goes on where it was left when the artifact is opened again, and ends with it", async () => {
    await registry.configure({ ratePerConnection: 4 * MIB });
    const first = await opened({ prefetch: "all", include: ["big.bin"] });
    await expect.poll(async () => (await blobs()).bytes, { timeout: 10_000, interval: 5 }).toBeGreaterThan(MIB);
    await first.close();
    expect(first.stats().prefetch?.state).toBe("stopped");
    const before = (await blobs()).bytes;
    await registry.configure({ ratePerConnection: 0 });
    await using second = await opened({ prefetch: "all", include: ["big.bin"] });
    await ended(second);
    expect(state(second)).toBe("done");
    expect((await blobs()).bytes - before).toBeLessThan(big.length);
  });
});

test("hints brings the first bytes of known formats alone", async () => {
  await using artifact = await opened({ prefetch: "hints" });
  await ended(artifact);
  expect(artifact.stats().prefetch).toEqual({ mode: "hints", state: "done", bytes: 0, size: 0 });
  const asked = (await registry.records()).filter(({ kind }) => kind === "blob").map(({ range }) => range);
  const tail = small.length - 64 * KIB;
  expect(new Set(asked)).toEqual(new Set([`bytes=0-${32 * KIB - 1}`, `bytes=${tail}-${small.length - 1}`]));
  expect(asked).toHaveLength(2);
  expect(logged).toEqual([]);
});

test.each<[string, OpenOptions]>([
  ["none", {}],
  ["none, said", { prefetch: "none" }],
  ["all, frugal", { prefetch: "all", frugal: true }],
])("%s fetches nothing", async (_name, options) => {
  await using artifact = await opened(options);
  await artifact.file("left.txt").bytes({ start: 0, end: 1 });
  expect(artifact.stats().prefetch).toBeNull();
  expect((await blobs()).requests).toBe(1);
});

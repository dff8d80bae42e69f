import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { open, type OpenedArtifact } from "../../src/index.ts";
import { putArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const MIB = 1024 * 1024;
const SIZE = 24 * MIB;
const bytes = noise(51, { start: 0, end: SIZE });

let registry: RegistryHandle;
let reference: string;

beforeAll(async () => {
  registry = await spawnRegistry();
  const file = { title: "far.bin", content: { kind: "noise", seed: 51, size: SIZE } } as const;
  ({ reference } = await putArtifact(registry, { repository: "e2e/far", tag: "v1" }, { files: [file] }));
});
afterAll(() => registry.close());
beforeEach(async () => {
  await registry.configure({ stall: false, latencyMs: 20, redirect: false, ranges: true });
  await registry.reset();
});

async function readAll(artifact: OpenedArtifact): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of artifact.file("far.bin").stream()) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe("answers that stall", () => {
  test.each([
    ["before their first byte", { every: 9 }, false],
    ["in their body", { every: 9, afterBytes: 40_000 }, false],
    ["behind a redirect", { every: 9, afterBytes: 40_000 }, {}],
  ] as const)("%s are asked for once more, each of them and no other", async (_where, stall, redirect) => {
    await registry.configure({ stall, redirect });
    await using artifact = await open(reference, { timeoutMs: 20_000 });
    expect((await readAll(artifact)).equals(bytes)).toBe(true);
    const { kinds, stalled, redirects } = await registry.counters();
    const { hedged, retries, errors, bytesFetchedByKind } = artifact.stats();
    expect(stalled).toBeGreaterThanOrEqual(1);
    // Each stalled answer costs one request more; a second request may stall itself, and is waited for with the first.
    expect(hedged).toBeLessThanOrEqual(stalled);
    expect(retries).toBeLessThanOrEqual(stalled - hedged);
    expect(errors).toBe(0);
    // Some forty parts without stalls (from 256 KiB on, each window in eighths), and nothing is moved twice.
    expect(kinds.blob.requests - redirects - stalled).toBeLessThanOrEqual(50);
    expect(bytesFetchedByKind.blob).toBe(bytes.length);
  });

  test("with frugal are waited for, and end by the time limit", async () => {
    await registry.configure({ stall: { every: 1 } });
    await using artifact = await open(reference, { frugal: true, timeoutMs: 2500 });
    await expect(artifact.file("far.bin").bytes({ start: 0, end: 10 })).rejects.toMatchObject({ code: "timeout" });
    expect([artifact.stats().hedged, (await registry.counters()).kinds.blob.requests]).toEqual([0, 1]);
  });

  test("all of them, cost one request more for each read, eight in all", async () => {
    await registry.configure({ stall: { every: 1 } });
    await using artifact = await open(reference, { timeoutMs: 3000 });
    const reads = Array.from({ length: 12 }, (_, i) =>
      artifact.file("far.bin").bytes({ start: i * 2 * MIB, end: i * 2 * MIB + 10 }),
    );
    for (const { status } of await Promise.allSettled(reads)) expect(status).toBe("rejected");
    const { hedged } = artifact.stats();
    expect(hedged).toBeGreaterThanOrEqual(1);
    expect(hedged).toBeLessThanOrEqual(8);
  });
});

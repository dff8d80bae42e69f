import { afterEach, beforeEach, expect, test } from "vitest";
import { open } from "../../src/index.ts";
import { putArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { startRegistry, type RegistryHandle } from "../support/registry/server.ts";

const MIB = 1024 * 1024;
const SIZE = 24 * MIB;

let registry: RegistryHandle;
let reference: string;

beforeEach(async () => {
  registry = await startRegistry();
  const file = { title: "a.bin", content: { kind: "noise", seed: 91, size: SIZE } } as const;
  ({ reference } = await putArtifact(registry, { repository: "semantics/far", tag: "v1" }, { files: [file] }));
});
afterEach(() => registry.close());

const at = (start: number): { readonly start: number; readonly end: number } => ({ start, end: start + 5000 });
const blobs = async (): Promise<number> => (await registry.counters()).kinds.blob.requests;

test("an answer that does not come is asked for once more", async () => {
  await using artifact = await open(reference, { timeoutMs: 20_000 });
  await artifact.file("a.bin").bytes(at(0));
  await registry.configure({ stall: { every: 2 } });
  const bytes = await artifact.file("a.bin").bytes(at(16 * MIB));
  expect(Buffer.compare(bytes, noise(91, at(16 * MIB)))).toBe(0);
  const { hedged, retries, errors } = artifact.stats();
  expect([await blobs(), hedged, retries, errors]).toEqual([3, 1, 0, 0]);
});

test("who reads overtakes what is prefetched", async () => {
  await registry.configure({ stall: { every: 1 } });
  await using artifact = await open(reference, { prefetch: "all", timeoutMs: 20_000 });
  await expect.poll(async () => (await registry.counters()).stalled, { timeout: 10_000, interval: 5 }).toBe(2);
  await registry.configure({ stall: false });
  const bytes = await artifact.file("a.bin").bytes(at(20 * MIB));
  expect(Buffer.compare(bytes, noise(91, at(20 * MIB)))).toBe(0);
  expect(await blobs()).toBe(3);
});

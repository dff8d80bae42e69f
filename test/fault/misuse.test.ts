import { afterAll, beforeAll, expect, test } from "vitest";
import { open } from "../../src/index.ts";
import { isRiffleError } from "../../src/errors.ts";
import { putArtifact } from "../support/artifacts.ts";
import type { Content } from "../support/content.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const content: Content = { kind: "noise", seed: 51, size: 1024 * 1024 };
let registry: RegistryHandle;
let reference: string;
beforeAll(async () => {
  registry = await spawnRegistry({ latencyMs: 30 });
  const files = [{ title: "a.bin", content }];
  ({ reference } = await putArtifact(registry, { repository: "t/x", tag: "v" }, { files }));
});
afterAll(() => registry.close());

async function drain(pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of pieces) expect(piece.length).toBeGreaterThan(0);
}

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "none";
  } catch (error) {
    return isRiffleError(error) ? error.code : String(error);
  }
}

test("after close every read is refused as closed, and asks for nothing", async () => {
  const artifact = await open(reference);
  const file = artifact.file("a.bin");
  await file.bytes({ start: 0, end: 10 });
  await artifact.close();
  await artifact.close();
  const before = (await registry.counters()).requests;
  expect(await codeOf(() => file.bytes({ start: 500_000, end: 500_010 }))).toBe("closed");
  expect(await codeOf(() => file.read({ start: 0, end: 10 }))).toBe("closed");
  expect(await codeOf(async () => drain(file.stream()))).toBe("closed");
  expect((await registry.counters()).requests).toBe(before);
});

test("close ends reads that are under way", async () => {
  const artifact = await open(reference);
  const reading = codeOf(() => artifact.file("a.bin").bytes());
  await artifact.close();
  expect(["closed", "aborted"]).toContain(await reading);
});

test("a wrong range, a wrong path and a directory are refused; a range beyond the end is empty", async () => {
  await using artifact = await open(reference);
  const file = artifact.file("a.bin");
  for (const [start, end] of [
    [-1, 5],
    [5, 1],
    [0.5, 2],
    [Number.NaN, 2],
  ] as const)
    expect(await codeOf(() => file.read({ start, end }))).not.toBe("none");
  expect((await file.read({ start: 2 ** 40, end: 2 ** 41 })).length).toBe(0);
  expect(await codeOf(async () => artifact.file("none"))).toBe("not-found");
  expect(await codeOf(async () => artifact.file(".oci"))).toBe("usage");
});

test("a signal that was aborted before, and one that is aborted in the middle", async () => {
  expect(await codeOf(() => open(reference, { signal: AbortSignal.abort() }))).toBe("aborted");
  await using artifact = await open(reference);
  const stop = new AbortController();
  const reading = codeOf(() => artifact.file("a.bin").bytes(undefined, { signal: stop.signal }));
  stop.abort();
  expect(await reading).toBe("aborted");
  expect((await artifact.file("a.bin").bytes()).length).toBe(1024 * 1024);
});

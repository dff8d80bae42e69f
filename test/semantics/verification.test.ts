import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { Artifact } from "../../src/artifact/artifact.ts";
import { openArtifact } from "../../src/artifact/open-artifact.ts";
import { resolvePath } from "../../src/layers/tree-paths.ts";
import { noise } from "../support/content.ts";
import { cacheFiles, flipBit } from "../support/faults/damage-cache.ts";
import { faultyMount } from "../support/faults/faulty-mount.ts";
import { startLiar, falseManifest, sendManifest, sha256 } from "../support/liar.ts";

// Many processes, each of which takes its time on a loaded machine.
vi.setConfig({ testTimeout: 90_000 });

/** For what a thread of its own finds out, on a loaded machine. */
const PATIENT = { timeout: 10_000 };

const SIZE = 300_000;
const bytes = noise(3, { start: 0, end: SIZE });
const bench = faultyMount({ files: [{ title: "a.bin", bytes }], isUnmounted: true });
const open = (): Promise<Artifact> => openArtifact(bench.registry.reference);
const proof = (artifact: Artifact): string => {
  const row = resolvePath(artifact.served.tree, "a.bin") ?? -1;
  return Buffer.from(artifact.served.liveXattr(row, "user.oci.verified") ?? []).toString();
};
const isRight = (found: Uint8Array): boolean => Buffer.compare(found, bytes) === 0;
const said = (artifact: Artifact): number => artifact.errors().split("do not have that digest").length - 1;

test("bytes are transport until all of the blob is held and has its digest, then full", async () => {
  await using artifact = await open();
  expect(proof(artifact)).toBe("transport");
  await artifact.file("a.bin").read({ start: 0, end: SIZE - 1 });
  await artifact.file("a.bin").read({ start: 0, end: 10 });
  expect(proof(artifact)).toMatch(/transport|full/);
  await artifact.file("a.bin").bytes();
  await expect.poll(() => proof(artifact), PATIENT).toBe("full");
});

test("a wrong blob is thrown away with an error and fetched once more", async () => {
  bench.registry.setFault(({ before }) => (before === 0 ? { kind: "flip" } : undefined));
  await using artifact = await open();
  await artifact.file("a.bin").bytes();
  await expect.poll(() => said(artifact), PATIENT).toBe(1);
  expect([isRight(await artifact.file("a.bin").bytes()), bench.registry.count("a.bin")]).toEqual([true, 2]);
});

test("a blob that is wrong twice is refused", async () => {
  bench.registry.setFault(() => ({ kind: "flip" }));
  await using artifact = await open();
  for (const times of [1, 2]) {
    await artifact.file("a.bin").bytes();
    await expect.poll(() => said(artifact), PATIENT).toBeGreaterThanOrEqual(times);
  }
  await expect(artifact.file("a.bin").bytes()).rejects.toMatchObject({ code: "verification" });
  expect(bench.registry.count("a.bin")).toBe(2);
});

test("bytesVerified counts bytes that were proven when they were given, and no others", async () => {
  await using artifact = await open();
  await artifact.file("a.bin").bytes();
  await expect.poll(() => proof(artifact), PATIENT).toBe("full");
  expect(artifact.stats().bytesVerified).toBe(0);
  await artifact.file("a.bin").read({ start: 5, end: 105 });
  expect(artifact.stats().bytesVerified).toBe(100);
});

test("a manifest that does not have its digest is refused", async () => {
  const manifest = falseManifest([{ title: "a.bin", digest: sha256("x"), size: 1 }]);
  await using liar = await startLiar((_, response) => sendManifest(response, manifest));
  await expect(openArtifact(`${liar.host}/t/x@${sha256("other")}`)).rejects.toMatchObject({ code: "verification" });
});

test("cp and pull give no wrong file its name", async () => {
  bench.registry.setFault(() => ({ kind: "flip" }));
  for (const words of [
    ["cp", bench.registry.reference, "a.bin", "out/"],
    ["pull", bench.registry.reference, "-o", "out"],
  ]) {
    expect((await bench.home.riffle([...words, "-q"])).code).toBe(6);
    const out = join(bench.home.path, "out");
    expect(existsSync(out) ? readdirSync(out) : []).toEqual([]);
  }
});

test("riffle cache verify removes what is not what was put there, and ends with 6", async () => {
  const cache = bench.home.place("verified");
  const words = ["--cache-dir", cache];
  expect((await bench.home.riffle(["prefetch", "-q", bench.registry.reference, ...words])).code).toBe(0);
  expect((await bench.home.riffle(["cache", "verify", ...words])).code).toBe(0);
  for (const path of cacheFiles(cache, "data")) flipBit(path, 100_000);
  expect((await bench.home.riffle(["cache", "verify", ...words])).code).toBe(6);
  expect(cacheFiles(cache, "data")).toEqual([]);
});

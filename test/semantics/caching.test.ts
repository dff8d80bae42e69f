import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { openArtifact } from "../../src/artifact/open-artifact.ts";
import type { Artifact } from "../../src/artifact/artifact.ts";
import { openChunkCache } from "../../src/cache/open-cache.ts";
import { REAL_FILES } from "../../src/cache/files.ts";
import { resolvePath } from "../../src/layers/tree-paths.ts";
import { noise } from "../support/content.ts";
import { cacheFiles, flipBit } from "../support/faults/damage-cache.ts";
import { faultyMount } from "../support/faults/faulty-mount.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";

// Many processes, each of which takes its time on a loaded machine.
vi.setConfig({ testTimeout: 90_000 });

/** For what a thread of its own finds out, on a loaded machine. */
const PATIENT = { timeout: 10_000 };

const obstacle = mountObstacle();
const SIZE = 3 * 1024 * 1024;
const bytes = noise(4, { start: 0, end: SIZE });
const files = [
  { title: "a.bin", bytes },
  ...Array.from({ length: 6 }, (_, index) => ({
    title: `${index}.bin`,
    bytes: noise(40 + index, { start: 0, end: SIZE }),
  })),
];
const bench = faultyMount({ files, isUnmounted: true });
const isRight = (found: Uint8Array): boolean => Buffer.compare(found, bytes) === 0;
const open = (cacheDir: string): Promise<Artifact> => openArtifact(bench.registry.reference, { cacheDir });

async function fill(cacheDir: string): Promise<void> {
  await using artifact = await open(cacheDir);
  expect(isRight(await artifact.file("a.bin").bytes())).toBe(true);
}

test("what was read once is not fetched again, by any process of the user", async () => {
  const cache = bench.home.place("shared");
  await fill(cache);
  bench.registry.forget();
  await using artifact = await open(cache);
  expect([isRight(await artifact.file("a.bin").bytes()), bench.registry.count("a.bin")]).toEqual([true, 0]);
  const cat = await bench.home.riffle(["cat", bench.registry.reference, "a.bin", "--cache-dir", cache]);
  expect([isRight(cat.stdoutBytes), bench.registry.count("a.bin")]).toEqual([true, 0]);
});

test("a damaged, cut or foreign record is a miss", async () => {
  const cache = bench.home.place("damaged");
  for (const spoil of [
    (path: string) => flipBit(path, 50),
    (path: string) => writeFileSync(path, "not a log"),
    (path: string) => rmSync(path),
  ]) {
    await fill(cache);
    const paths = cacheFiles(cache, "extents");
    expect(paths).toHaveLength(1);
    for (const path of paths) spoil(path);
    await fill(cache);
  }
});

test("a cache directory that is deleted is an empty cache, also under an open artifact", async () => {
  const cache = bench.home.place("deleted");
  await using artifact = await open(cache);
  await artifact.file("a.bin").read({ start: 0, end: SIZE / 2 });
  rmSync(cache, { recursive: true });
  expect(isRight(await artifact.file("a.bin").bytes())).toBe(true);
  await fill(cache);
});

test("a disk that is full or broken means no cache, not an error", async () => {
  for (const code of ["ENOSPC", "EIO"]) {
    const lines: string[] = [];
    const fail = (): Promise<never> => Promise.reject(Object.assign(new Error("no"), { code }));
    const cache = await openChunkCache({
      directory: bench.home.place(code),
      files: { ...REAL_FILES, write: fail },
      log: (line) => lines.push(line),
    });
    const entry = cache.open(sha256(bytes), SIZE);
    await entry.write(0, bytes);
    expect(isRight((await entry.read({ start: 0, end: SIZE })) ?? new Uint8Array())).toBe(true);
    expect(lines).toEqual([expect.stringContaining(`the disk takes no more (${code})`)]);
    await cache.close();
  }
});

test("the cache stays within --cache-size, least recently used first", async () => {
  const cache = bench.home.place("small");
  for (const { title } of files) {
    const words = ["cat", bench.registry.reference, title, "--cache-dir", cache, "--cache-size", "8M"];
    expect((await bench.home.riffle(words)).code).toBe(0);
  }
  const held = cacheFiles(cache, "data").reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
  expect(held).toBeLessThanOrEqual(8 * 1024 * 1024);
  bench.registry.forget();
  await bench.home.riffle(["cat", bench.registry.reference, "5.bin", "--cache-dir", cache]);
  expect(bench.registry.count("5.bin")).toBe(0);
});

test("the cache is its user's alone", async () => {
  const cache = bench.home.place("private");
  await fill(cache);
  const modes = [join(cache, "v1"), ...cacheFiles(cache, "data")].map((path) =>
    (statSync(path).mode & 0o777).toString(8),
  );
  expect(modes).toEqual(["700", "600"]);
});

test("a cache that cannot be used is one warning, never a failure", async () => {
  const cache = join(bench.home.path, "a-file");
  writeFileSync(cache, "");
  const cat = await bench.home.riffle(["cat", bench.registry.reference, "a.bin", "--cache-dir", cache]);
  expect([cat.code, isRight(cat.stdoutBytes)]).toEqual([0, true]);
  expect(cat.stderr).toMatch(/^riffle: warning: [^\n]+\n$/);
});

test("the kernel keeps pages of whole and proven files alone", async () => {
  await using artifact = await open(bench.home.place("kept"));
  const row = resolvePath(artifact.served.tree, "a.bin") ?? -1;
  const kind = (): string => {
    const grant = artifact.served.open(row, 9);
    artifact.served.release(row, 9);
    return grant.kind;
  };
  expect(kind()).toBe("direct");
  await artifact.file("a.bin").read({ start: 0, end: SIZE - 5000 });
  expect(kind()).toBe("direct");
  await artifact.file("a.bin").bytes();
  await expect.poll(kind, PATIENT).toBe("backed");
});

describe.skipIf(obstacle !== undefined)(`offline${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  test("--offline reads what is held and asks nobody; the rest fails at once", async () => {
    const cache = bench.home.place("offline");
    const words = [bench.registry.reference, "--cache-dir", cache];
    expect((await bench.home.riffle(["cat", ...words, "a.bin"])).code).toBe(0);
    bench.registry.forget();
    expect(await bench.home.riffle(["mount", "-q", "--offline", ...words, bench.place])).toMatchObject({ code: 0 });
    try {
      expect(await bench.sh("sha256sum < a.bin")).toBe(`${sha256(bytes).slice(7)}  -\n`);
      const absent = await bench.home.sh(`cat ${bench.place}/0.bin`);
      expect(absent.stderr).toMatch(/Input\/output error/);
    } finally {
      expect(await bench.home.riffle(["unmount", bench.place])).toMatchObject({ code: 0 });
    }
    expect(await bench.home.riffle(["cat", "--offline", ...words, "0.bin"])).toMatchObject({ code: 7 });
    expect(bench.registry.requests()).toBe(0);
  });
});

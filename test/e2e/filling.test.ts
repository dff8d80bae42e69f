import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { putArtifact, type BuiltArtifact } from "../support/artifacts.ts";
import { createHome, riffle, type Home, type Outcome } from "../support/cli.ts";
import { noise } from "../support/content.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";
import type { RegistryHandle } from "../support/registry/server.ts";

const BIG_BYTES = 12 * 1024 * 1024 + 5;
const SMALL_BYTES = 100_000;
const big = noise(21, { start: 0, end: BIG_BYTES });
const small = noise(22, { start: 0, end: SMALL_BYTES });

let registry: RegistryHandle;
let home: Home;
let artifact: BuiltArtifact & { readonly reference: string };

beforeAll(async () => {
  registry = await spawnRegistry();
  const file = (
    title: string,
    bytes: Uint8Array,
  ): { title: string; content: { kind: "bytes"; bytes: Uint8Array } } => ({
    title,
    content: { kind: "bytes", bytes },
  });
  artifact = await putArtifact(
    registry,
    { repository: "e2e/filling", tag: "v1" },
    {
      files: [
        file("data/big.bin", big),
        file("data/a.tif", small),
        file("data/deep/b.tif", small.slice(1)),
        file("c.txt", new TextEncoder().encode("c")),
      ],
    },
  );
});
afterAll(() => registry.close());
beforeEach(async () => {
  home = createHome();
  await registry.configure({ ratePerConnection: 0 });
  await registry.reset();
});
afterEach(() => home.remove());

const run = (...words: string[]): Promise<Outcome> => riffle(words, { home });
const blobs = async (): Promise<{ readonly requests: number; readonly bytes: number }> =>
  (await registry.counters()).kinds.blob;
const dataFiles = (): readonly string[] =>
  readdirSync(join(home.path, "cache/riffle/v1/blobs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith("/data"))
    .map((path) => join(home.path, "cache/riffle/v1/blobs", path));
const heldOnDisk = (): number =>
  existsSync(join(home.path, "cache/riffle/v1/blobs"))
    ? dataFiles().reduce((sum, path) => sum + statSync(path).blocks * 512, 0)
    : 0;
/** The file of the content that has `size`. */
const dataOf = (size: number): string => dataFiles().find((path) => statSync(path).size === size) ?? "";

describe("riffle prefetch", () => {
  test("fills the cache once: what reads later, and what fills again, asks for nothing", async () => {
    const first = await run("prefetch", artifact.reference, "--json");
    expect([first.code, first.stderr]).toEqual([0, ""]);
    const all = BIG_BYTES + 2 * SMALL_BYTES;
    expect(JSON.parse(first.stdout)).toMatchObject({ files: 4, bytes: all, fetchedBytes: all });
    expect((await blobs()).bytes).toBe(all);
    await registry.reset();
    expect((await run("cat", artifact.reference, "data/big.bin")).stdoutBytes.equals(big)).toBe(true);
    const again = await run("prefetch", artifact.reference);
    expect([again.code, again.stdout.trim().split("\n")]).toEqual([0, [expect.stringContaining("0 B fetched")]]);
    expect(await blobs()).toMatchObject({ requests: 0, bytes: 0 });
  });

  test.each([
    [["data"], 3],
    [["c.txt", "data/a.tif"], 2],
    [["*.tif"], 2],
    [["data/*.tif"], 1],
    [["data/**"], 3],
    [["--exclude", "*.bin"], 3],
  ])("takes %j", async (words, files) => {
    const { code, stdout } = await run("prefetch", artifact.reference, ...words, "--json");
    expect([code, (JSON.parse(stdout) as { files: number }).files]).toEqual([0, files]);
  });

  test("goes on where it was cut off", async () => {
    await registry.configure({ ratePerConnection: 512 * 1024 });
    const { signal } = await riffle(["prefetch", artifact.reference], {
      home,
      onStart: (pid) => {
        const watch = setInterval(() => {
          if (heldOnDisk() < 1024 * 1024) return;
          clearInterval(watch);
          process.kill(pid, "SIGKILL");
        }, 20);
      },
    });
    expect(signal).toBe("SIGKILL");
    await registry.configure({ ratePerConnection: 0 });
    const { stdout } = await run("prefetch", artifact.reference, "--json");
    const { fetchedBytes } = JSON.parse(stdout) as { fetchedBytes: number };
    expect(fetchedBytes).toBeLessThan(BIG_BYTES + SMALL_BYTES);
    await registry.reset();
    expect((await run("cat", artifact.reference, "data/big.bin")).stdoutBytes.equals(big)).toBe(true);
    expect((await blobs()).requests).toBe(0);
  });

  test("refuses what cannot be meant", async () => {
    const missing = await run("prefetch", artifact.reference, "nothing");
    expect([missing.code, missing.stderr]).toEqual([3, expect.stringContaining('has no path "nothing"')]);
    const unmatched = await run("prefetch", artifact.reference, "*.zip");
    expect([unmatched.code, unmatched.stderr]).toEqual([
      3,
      expect.stringMatching(/^riffle: prefetch: no file .*\.zip/),
    ]);
    expect(await run("prefetch", artifact.reference, "--no-cache")).toMatchObject({ code: 2 });
    const tight = await run("prefetch", artifact.reference, "--cache-size", "1M");
    expect([tight.code, tight.stderr]).toEqual([0, expect.stringContaining("the cache keeps 1.0 MiB, less than")]);
  });
});

describe("riffle cache", () => {
  beforeEach(async () => {
    expect(await run("prefetch", artifact.reference, "data")).toMatchObject({ code: 0 });
  });

  test("ls names every content, and what is held and proven of it", async () => {
    await run("cat", artifact.reference, "c.txt");
    const { code, stdout } = await run("cache", "ls", "--json");
    const lines = stdout.trim().split("\n");
    const listed = lines.map(
      (line) => JSON.parse(line) as { id: string; size: number; heldBytes: number; verified: string },
    );
    expect([code, listed.map(({ size }) => size).toSorted((a, b) => a - b)]).toEqual([
      0,
      [1, SMALL_BYTES - 1, SMALL_BYTES, BIG_BYTES],
    ]);
    for (const { size, heldBytes } of listed) expect(heldBytes).toBe(size);
    const digests = artifact.layers.map(({ digest }) => digest);
    for (const { id } of listed) expect(digests).toContain(id);
    expect((await run("cache", "ls")).stdout.trim().split("\n")).toHaveLength(4);
  });

  test("verify proves what is right and removes what is not; the next reader fetches that anew", async () => {
    const clean = await run("cache", "verify");
    expect([clean.code, clean.stdout]).toEqual([0, expect.stringContaining("3 blobs: 3 proven by digest\n")]);
    const path = dataOf(BIG_BYTES);
    const bytes = readFileSync(path);
    bytes[5_000_000] = (bytes[5_000_000] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const found = await run("cache", "verify", "--json");
    const verdicts = found.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { verdict: string });
    expect(found.code).toBe(6);
    expect(verdicts.map(({ verdict }) => verdict).toSorted()).toEqual(["proven", "proven", "removed"]);
    expect(dataFiles()).toHaveLength(2);
    await registry.reset();
    expect((await run("cat", artifact.reference, "data/big.bin")).stdoutBytes.equals(big)).toBe(true);
    expect((await blobs()).bytes).toBe(BIG_BYTES);
    expect(await run("cache", "verify")).toMatchObject({ code: 0 });
  });

  test("verify says of what is held in part that it is consistent", async () => {
    expect(await run("cache", "clear")).toMatchObject({ code: 0 });
    await run("cat", artifact.reference, "data/big.bin", "--range", "0-100000");
    const { code, stdout } = await run("cache", "verify");
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining("1 blob: 0 proven by digest, 1 held in part and consistent\n"),
    ]);
  });

  test("prune removes by age and by size, least recently used first", async () => {
    const old = new Date(Date.now() - 3 * 3_600_000);
    utimesSync(join(dirname(dataOf(SMALL_BYTES)), "used"), old, old);
    expect(await run("cache", "prune", "--max-age", "2h")).toMatchObject({ code: 0 });
    expect(
      dataFiles()
        .map((path) => statSync(path).size)
        .toSorted((a, b) => a - b),
    ).toEqual([SMALL_BYTES - 1, BIG_BYTES]);
    const recent = new Date(Date.now() - 60_000);
    utimesSync(join(dirname(dataOf(BIG_BYTES)), "used"), recent, recent);
    const { stdout } = await run("cache", "prune", "--max-size", "1M", "--json");
    expect((JSON.parse(stdout) as { freedBytes: number }).freedBytes).toBeGreaterThanOrEqual(BIG_BYTES);
    expect(dataFiles().map((path) => statSync(path).size)).toEqual([SMALL_BYTES - 1]);
    expect(await run("cache", "prune", "--max-size", "0")).toMatchObject({ code: 0 });
    expect(dataFiles()).toEqual([]);
    expect(await run("cache", "prune")).toMatchObject({ code: 2 });
    expect(await run("cache", "prune", "--max-age", "soon")).toMatchObject({ code: 2 });
  });
});

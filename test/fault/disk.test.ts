import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Engine } from "../../src/artifact/engine.ts";
import { openArtifact } from "../../src/artifact/open-artifact.ts";
import { Limiter } from "../../src/bytes/limiter.ts";
import { REAL_FILES, type CacheFiles } from "../../src/cache/files.ts";
import { openChunkCache } from "../../src/cache/open-cache.ts";
import { ByteBudget } from "../../src/fetch/budget.ts";
import { Demand } from "../../src/fetch/demand.ts";
import { SharedThreads } from "../../src/formats/shared-threads.ts";
import { noise } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { startFaultyRegistry, type FaultyRegistry } from "../support/faults/faulty-registry.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";

// Many processes, each of which takes its time on a loaded machine.
vi.setConfig({ testTimeout: 90_000 });

const MIB = 1024 * 1024;
const FILES = 6;
const SIZE = 3 * MIB + 777;
const files = Array.from({ length: FILES }, (_, index) => ({
  title: `${index}.bin`,
  bytes: noise(200 + index, { start: 0, end: SIZE }),
}));
const sums = files.map(({ bytes }) => sha256(bytes).slice(7));
const obstacle = mountObstacle();

let home: FaultHome;
let registry: FaultyRegistry;
beforeEach(async () => {
  home = faultHome();
  registry = await startFaultyRegistry({ files });
});
afterEach(async () => {
  for (const place of home.mounts()) await home.riffle(["unmount", place]);
  await home.end();
  await registry[Symbol.asyncDispose]();
});

const refusal = (code: string): Promise<never> => Promise.reject(Object.assign(new Error("no"), { code }));
/** How a disk fails: `at` counts its calls. Reads of logs are let alone: without them there is no cache. */
const BROKEN: Readonly<Record<string, (at: () => number) => Partial<CacheFiles>>> = {
  "ENOSPC on every write": () => ({ write: () => refusal("ENOSPC") }),
  "EIO on every write": () => ({ write: () => refusal("EIO") }),
  "ENOSPC after ten writes": (at) => ({
    write: (...call) => (at() > 10 ? refusal("ENOSPC") : REAL_FILES.write(...call)),
  }),
  "EIO on every other write": (at) => ({
    write: (...call) => (at() % 2 === 0 ? refusal("EIO") : REAL_FILES.write(...call)),
  }),
  "ENOSPC on the log alone": () => ({
    write: (fd, bytes, position) => (position === null ? refusal("ENOSPC") : REAL_FILES.write(fd, bytes, position)),
  }),
  "EIO on every read": () => ({ read: () => refusal("EIO") }),
  "EIO on every third read": (at) => ({
    read: (...call) => (at() % 3 === 0 ? refusal("EIO") : REAL_FILES.read(...call)),
  }),
  "EIO on every sync": () => ({ datasync: () => refusal("EIO") }),
};

describe("the library, on a disk with", () => {
  test.each(Object.entries(BROKEN))("%s: right bytes, no error, and the disk again once it works", async (_, fail) => {
    let isBroken = true;
    let calls = 0;
    let now = 1e12;
    const failing = fail(() => (calls += 1));
    const cache = await openChunkCache({
      directory: home.place("store"),
      files: {
        ...REAL_FILES,
        read: (...call) => (isBroken && failing.read ? failing.read(...call) : REAL_FILES.read(...call)),
        write: (...call) => (isBroken && failing.write ? failing.write(...call) : REAL_FILES.write(...call)),
        datasync: (fd) => (isBroken && failing.datasync ? failing.datasync(fd) : REAL_FILES.datasync(fd)),
      },
      now: () => now,
      freeSpace: { bytes: 0, ratio: 0 },
    });
    const threads = new SharedThreads();
    const rest = { threads, cacheBytes: 1e9, close: () => cache.close(), [Symbol.asyncDispose]: () => cache.close() };
    const bounds = { limiter: new Limiter(32), budget: new ByteBudget(64 * MIB), demand: new Demand() };
    const engine: Engine = { cache, ...bounds, ...rest };
    const artifact = await openArtifact(registry.reference, { engine, timeoutMs: 5000 });
    const readAll = async (): Promise<void> => {
      for (const { title, bytes } of files.slice(0, 2)) {
        let at = 0;
        for await (const piece of artifact.file(title).stream()) {
          expect(Buffer.compare(piece, bytes.subarray(at, at + piece.length))).toBe(0);
          at += piece.length;
        }
        expect(at).toBe(SIZE);
      }
    };
    try {
      await readAll();
      await readAll();
      expect(artifact.stats().errors).toBe(0);
      // in the worst case nothing was kept, and every piece is fetched anew each time
      expect(artifact.stats().bytesFetchedByKind.blob).toBeLessThanOrEqual(4.2 * SIZE);
      isBroken = false;
      now += 120_000;
      await readAll();
      expect(artifact.stats().errors).toBe(0);
    } finally {
      await artifact.close();
      await Promise.all([cache.close(), threads.close()]);
    }
    // nothing that it left is believed wrongly
    await using again = await openArtifact(registry.reference, { cacheDir: home.place("store") });
    for (const { title, bytes } of files.slice(0, 2))
      expect(Buffer.compare(await again.file(title).bytes(), bytes)).toBe(0);
  });
});

describe.skipIf(obstacle !== undefined)(`mounts${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  const mount = async (place: string, ...flags: readonly string[]): Promise<number> => {
    const words = ["mount", "--json", registry.reference, place, "--cache-dir", home.place("store"), ...flags];
    const { code, stdout } = await home.riffle(words);
    expect(code).toBe(0);
    // what riffle mount --json prints
    return (JSON.parse(stdout) as { readonly pid: number }).pid;
  };
  const sumsAt = async (place: string): Promise<readonly string[]> => {
    const { stdout } = await home.sh(`cd ${place} && sha256sum *.bin`);
    return stdout
      .toString()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.slice(0, 64));
  };

  test("two that fill one cache at once, one killed in the middle: the other's bytes are right, and the cache is sound", async () => {
    registry.setFault(() => ({ kind: "slow", ms: 60 }));
    const [one, two] = [home.place("one"), home.place("two")];
    const pid = await mount(one);
    await mount(two);
    const first = home.sh(`cd ${one} && cat *.bin >/dev/null`);
    const second = sumsAt(two);
    await expect.poll(() => registry.asked.length, { timeout: 10_000, interval: 5 }).toBeGreaterThan(4);
    process.kill(pid, "SIGKILL");
    expect(await second).toEqual(sums);
    await first;
    await home.riffle(["unmount", one]);
    registry.setFault(undefined);
    registry.forget();
    await mount(one);
    expect(await sumsAt(one)).toEqual(sums);
    const verified = await home.riffle(["cache", "verify", "--cache-dir", home.place("store")]);
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining(`${FILES} proven`)]);
  });

  test("whose cache is deleted over and over while they read: right bytes", async () => {
    registry.setFault(() => ({ kind: "slow", ms: 20 }));
    const place = home.place("mnt");
    await mount(place);
    const deleting = home.sh(`for i in 1 2 3 4 5 6 7 8; do rm -rf store/v1; sleep 0.05; done`);
    expect(await sumsAt(place)).toEqual(sums);
    await deleting;
    expect(await sumsAt(place)).toEqual(sums);
    expect((await home.sh(`cat ${place}/.oci/errors`)).stdout.toString()).toBe("");
  });

  test("that read everything at once through a cache that holds a third, pruned meanwhile: right bytes, and it stays small", async () => {
    const place = home.place("mnt");
    await mount(place, "--cache-size", "6M");
    const reading = [0, 1, 2].map(() => sumsAt(place));
    for (let times = 0; times < 2; times += 1)
      await home.riffle(["cache", "prune", "--max-size", "3M", "--cache-dir", home.place("store")]);
    for (const found of await Promise.all(reading)) expect(found).toEqual(sums);
    expect((await home.sh(`cat ${place}/.oci/errors`)).stdout.toString()).toBe("");
    expect(await home.riffle(["unmount", place])).toMatchObject({ code: 0 });
    const used = (await home.sh("du -s --block-size=1 store/v1/blobs")).stdout.toString().split("\t")[0];
    expect(Number(used)).toBeLessThanOrEqual(9 * MIB);
  });
});

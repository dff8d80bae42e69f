import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { putArtifact } from "../support/artifacts.ts";
import { noise } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { heldLink, type HeldLink } from "../support/held-link.ts";
import { sha256 } from "../support/liar.ts";
import { manyReaders } from "../support/many-readers.ts";
import { mountObstacle } from "../support/processes.ts";
import { hasPython } from "../support/python.ts";
import { spawnRegistry, type SpawnedRegistry } from "../support/registry/spawn.ts";

const MIB = 1024 * 1024;
const SIZE = 192 * MIB;
const SEED = 31;
const obstacle = mountObstacle() ?? (hasPython() ? undefined : "no python3");

vi.setConfig({ testTimeout: 90_000 });

describe.skipIf(obstacle !== undefined)(`many at once${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  let home: FaultHome;
  let registry: SpawnedRegistry;
  let link: HeldLink;
  let place: string;
  let file: string;

  beforeEach(async () => {
    home = faultHome();
    registry = await spawnRegistry();
    link = await heldLink(registry.host);
    await putArtifact(
      registry,
      { repository: "t/x", tag: "v" },
      {
        files: [
          { title: "a.bin", content: { kind: "noise", seed: SEED, size: SIZE } },
          { title: "b.bin", content: { kind: "noise", seed: SEED + 1, size: MIB } },
        ],
      },
    );
    place = home.place("mnt");
    file = join(place, "a.bin");
    expect(await home.riffle(["mount", `${link.host}/t/x:v`, place, "--timeout", "60s"])).toMatchObject({ code: 0 });
  });
  afterEach(async () => {
    try {
      link.release();
      await home.riffle(["unmount", "--lazy", place]);
      await home.end();
    } finally {
      await link.close();
      await registry.close();
    }
  });

  /** A reader of its own process. `right` says whether it had the right bytes. */
  const read = (
    start: number,
    bytes: number,
    name = "a.bin",
  ): { readonly done: Promise<boolean>; readonly stop: (signal: string) => Promise<unknown> } => {
    const mark = `${start}-${bytes}-${name}`;
    const skip = `bs=${bytes} iflag=skip_bytes skip=${start} count=1 status=none`;
    const script = `echo $$ > ${home.path}/pid-${mark}; exec dd if=${join(place, name)} ${skip} > ${home.path}/out-${mark}`;
    const seed = name === "a.bin" ? SEED : SEED + 1;
    const wanted = sha256(noise(seed, { start, end: start + bytes })).slice(7);
    const done = home.sh(script).then(async ({ status }) => {
      const found = (await home.sh(`sha256sum < ${home.path}/out-${mark}`)).stdout.toString().slice(0, 64);
      return status === 0 && found === wanted;
    });
    return { done, stop: (signal) => home.sh(`kill -${signal} $(cat ${home.path}/pid-${mark})`) };
  };
  const within = (start: number, end: number) => (range: { start: number; end: number } | undefined) =>
    range !== undefined && range.start < end && range.end > start;

  test.each(["pread", "mmap"] as const)(
    "64 processes read one file by %s: every byte is right, no byte is fetched twice, nobody waits for ever",
    async (how) => {
      const far = Array.from({ length: 64 }, (_, at) => ({ start: at * 3 * MIB, end: at * 3 * MIB + 65_536 }));
      const apart = await manyReaders({ path: file, seed: SEED, pieces: far, readers: 64, how });
      expect(apart.ends).toEqual(far.map(() => 0));
      const { blob } = (await registry.counters()).kinds;
      // A mapping is read by the kernel, which reads 128 KiB around each touch.
      expect(blob.requests).toBeLessThanOrEqual(how === "pread" ? 64 : 128);
      expect(blob.bytes).toBeLessThanOrEqual(64 * (how === "pread" ? 65_536 : 4 * 65_536));
      const same = far.map(() => ({ start: MIB, end: 2 * MIB }));
      const together = await manyReaders({ path: file, seed: SEED, pieces: same, readers: 64, how });
      expect(together.ends).toEqual(same.map(() => 0));
      // What is read ahead of one stream, or of 64 that are at one place, is a few times what was read, and not 64 times.
      expect((await registry.counters()).kinds.blob.bytes - blob.bytes).toBeLessThanOrEqual(8 * MIB);
      const asked = link.asked().map((range) => range ?? { start: 0, end: SIZE });
      const sorted = asked.toSorted((a, b) => a.start - b.start);
      expect(sorted.filter(({ start }, at) => at > 0 && start < (sorted[at - 1]?.end ?? 0))).toEqual([]);
    },
    120_000,
  );

  test("one request that is not answered delays the bytes that it carries, and nothing else", async () => {
    expect(await read(0, 4096).done).toBe(true);
    link.hold(within(20 * MIB, 21 * MIB));
    const waiting = read(20 * MIB, 65_536);
    await expect.poll(link.held, { timeout: 10_000 }).toBe(1);
    // Other bytes of the file, another file, names, and what is held already.
    expect(await read(100 * MIB, 65_536).done).toBe(true);
    expect(await read(0, 4096).done).toBe(true);
    expect(await read(0, MIB, "b.bin").done).toBe(true);
    expect((await home.sh(`ls ${place}; stat -c %s ${file}; cat ${place}/.oci/errors`)).stdout.toString()).toBe(
      `a.bin\nb.bin\n${SIZE}\n`,
    );
    expect((await home.riffle(["status", place])).code).toBe(0);
    expect(link.held()).toBe(1);
    link.release();
    expect(await waiting.done).toBe(true);
  });

  test("overlapping reads share a request, and one that is killed fails nobody else", async () => {
    expect(await read(0, 4096).done).toBe(true);
    const before = link.asked().length;
    link.hold(within(20 * MIB, 21 * MIB));
    const first = read(20 * MIB, 131_072);
    await expect.poll(link.held, { timeout: 10_000 }).toBe(1);
    const [second, third] = [read(20 * MIB, 65_536), read(20 * MIB + 32_768, 65_536)];
    await expect
      .poll(async () => (await home.sh(`ls ${home.path} | grep -c '^pid-2[0-9]*-65536'`)).stdout.toString().trim())
      .toBe("2");
    // Both have begun to read; bytes of another place are had meanwhile.
    expect(await read(60 * MIB, 4096).done).toBe(true);
    await first.stop("KILL");
    expect(await first.done).toBe(false);
    expect(link.held()).toBe(1);
    link.release();
    expect([await second.done, await third.done]).toEqual([true, true]);
    const carried = link
      .asked()
      .slice(before)
      .filter(within(20 * MIB, 21 * MIB));
    expect(carried).toHaveLength(1);
  });

  test("a read that is wanted overtakes what is read ahead, though all of that stalls", async () => {
    expect(await read(0, 4096).done).toBe(true);
    link.hold(within(16 * MIB, 150 * MIB));
    // A copy from the start, which keeps its file open: far ahead of it, requests wait.
    const copy = `dd of=${home.path}/copy bs=1M count=15 status=none && touch ${home.path}/copied`;
    const copying = home.sh(`echo $$ > ${home.path}/pid-copy; exec < ${file}; ${copy}; exec sleep 60`);
    await expect.poll(() => existsSync(join(home.path, "copied")), { timeout: 30_000 }).toBe(true);
    await expect.poll(link.held, { timeout: 10_000 }).toBeGreaterThan(0);
    const stalled = link.held();
    const wanted = [160, 165, 170, 175, 180, 185].map((at) => read(at * MIB, 65_536));
    expect(await Promise.all(wanted.map(({ done }) => done))).toEqual(wanted.map(() => true));
    // Some of what stalls is asked for a second time, and stalls again.
    expect(link.held()).toBeLessThanOrEqual(stalled + 8);
    await home.sh(`kill $(cat ${home.path}/pid-copy)`);
    await copying;
  });

  test("the first answer of a file may be late: other bytes of it do not wait for it", async () => {
    link.hold(within(20 * MIB, 21 * MIB));
    const waiting = read(20 * MIB, 65_536);
    await expect.poll(link.held, { timeout: 10_000 }).toBe(1);
    expect(await read(100 * MIB, 65_536).done).toBe(true);
    expect(link.held()).toBe(1);
    link.release();
    expect(await waiting.done).toBe(true);
  });
});

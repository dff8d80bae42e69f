import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ArtifactStats } from "../../src/artifact/accounting.ts";
import { putArtifact } from "../support/artifacts.ts";
import { noise, type Content } from "../support/content.ts";
import { faultHome, type FaultHome } from "../support/fault-home.ts";
import { sha256 } from "../support/liar.ts";
import { mountObstacle } from "../support/processes.ts";
import type { RegistryHandle } from "../support/registry/server.ts";
import { spawnRegistry } from "../support/registry/spawn.ts";

const obstacle = mountObstacle() ?? (process.getuid?.() === 0 ? undefined : "not root");
const SMALL = 4 * 1024 * 1024;
const BIG = 64 * 1024 * 1024;
const sumOf = (seed: number, size: number): string => sha256(noise(seed, { start: 0, end: size })).slice(7);
const SMALL_SUM = sumOf(41, SMALL);
const BIG_SUM = sumOf(42, BIG);

let registry: RegistryHandle;
let small: string;
let big: string;
beforeAll(async () => {
  registry = await spawnRegistry();
  const put = async (tag: string, content: Content): Promise<string> => {
    const files = [{ title: "a.bin", content }];
    return (await putArtifact(registry, { repository: "t/x", tag }, { files })).reference;
  };
  small = await put("small", { kind: "noise", seed: 41, size: SMALL });
  big = await put("big", { kind: "noise", seed: 42, size: BIG });
});
afterAll(() => registry.close());

describe.skipIf(obstacle !== undefined)(`a cache${obstacle === undefined ? "" : `: skipped, ${obstacle}`}`, () => {
  let home: FaultHome;
  let place: string;
  let cache: string;
  const undo: string[] = [];
  beforeEach(async () => {
    home = faultHome();
    place = home.place("mnt");
    cache = home.place("store");
    await registry.reset();
  });
  afterEach(async () => {
    for (const script of undo.splice(0)) await home.sh(script);
    await home.end();
  });

  const mount = async (reference: string, at: string, ...flags: readonly string[]): Promise<string> => {
    const { code, stderr } = await home.riffle(["mount", reference, at, "--cache-dir", cache, ...flags]);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    return stderr;
  };
  const sum = async (at: string): Promise<string> =>
    (await home.sh(`sha256sum < ${at}/a.bin`)).stdout.toString().slice(0, 64);
  const stats = async (at: string): Promise<ArtifactStats> =>
    // the shape of INTERFACE section 4
    JSON.parse((await home.sh(`cat ${at}/.oci/stats.json`)).stdout.toString()) as ArtifactStats;
  const unmount = async (...at: readonly string[]): Promise<void> => {
    for (const one of at) expect(await home.riffle(["unmount", one])).toMatchObject({ code: 0, stderr: "" });
  };
  const logs = async (): Promise<string> => (await home.sh("cat state/riffle/logs/*")).stdout.toString();
  const blobs = async (): Promise<{ requests: number; bytes: number }> => (await registry.counters()).kinds.blob;
  const usage = async (): Promise<number> =>
    Number((await home.sh(`du -s --block-size=1 ${cache}`)).stdout.toString().split("\t")[0]);

  test("on a full disk: right bytes, without it, one line of log", async () => {
    expect((await home.sh(`mount -t tmpfs -o size=1m riffle-test ${cache}`)).status).toBe(0);
    undo.push(`umount ${cache}`);
    await mount(small, place);
    expect([await sum(place), await sum(place)]).toEqual([SMALL_SUM, SMALL_SUM]);
    expect((await stats(place)).errors).toBe(0);
    expect((await logs()).match(/the disk takes no more|nearly full/g)).toHaveLength(1);
    expect((await blobs()).requests).toBeLessThanOrEqual(60);
    await unmount(place);
  });

  const USELESS: Readonly<Record<string, readonly [RegExp, () => void]>> = {
    "of another user": [
      /belongs to another user/,
      () => {
        mkdirSync(join(cache, "v1"), { mode: 0o700 });
        chownSync(join(cache, "v1"), 65_534, 65_534);
      },
    ],
    "of a newer version": [
      /written by another version of riffle \(layout 2\)/,
      () => {
        mkdirSync(join(cache, "v1"), { mode: 0o700 });
        writeFileSync(join(cache, "v1/VERSION"), "2\n");
      },
    ],
    "that is a file": [
      /cannot be used|not a directory/,
      () => {
        rmSync(cache, { recursive: true });
        writeFileSync(cache, "");
      },
    ],
  };
  test.each(Object.entries(USELESS))("%s: one warning, and everything works without", async (_, [says, prepare]) => {
    prepare();
    const before = (await home.sh(`find ${cache} -printf '%p %s %U %m\\n'`)).stdout.toString();
    const warned = await mount(small, place);
    expect(warned.trimEnd().split("\n")).toEqual([expect.stringMatching(/^riffle: warning: [^\n]+$/)]);
    expect(warned).toMatch(says);
    expect(await sum(place)).toBe(SMALL_SUM);
    await unmount(place);
    const cat = await home.riffle(["cat", small, "a.bin", "--cache-dir", cache]);
    expect([cat.code, sha256(cat.stdoutBytes).slice(7)]).toEqual([0, SMALL_SUM]);
    expect(cat.stderr).toMatch(says);
    const after = (await home.sh(`find ${cache} -printf '%p %s %U %m\\n'`)).stdout.toString();
    expect(after.split("\n").filter((line) => !line.includes("CACHEDIR.TAG"))).toEqual(before.split("\n"));
  });

  test("on a read-only file system: one warning, and everything works without", async () => {
    expect((await home.sh(`mount -t tmpfs -o ro riffle-test ${cache}`)).status).toBe(0);
    undo.push(`umount ${cache}`);
    expect(await mount(small, place)).toMatch(/^riffle: warning: [^\n]*(?:EROFS|read-only)[^\n]*\n$/);
    expect(await sum(place)).toBe(SMALL_SUM);
    await unmount(place);
  });

  test("of two mounts at once: what one fetched the other has", async () => {
    const second = home.place("second");
    await mount(small, place);
    await mount(small, second);
    expect(await sum(place)).toBe(SMALL_SUM);
    const { requests } = await blobs();
    expect(await sum(second)).toBe(SMALL_SUM);
    expect((await blobs()).requests).toBe(requests);
    // Once it was proven, the kernel reads it alone.
    const { bytesFromCache, passthrough } = await stats(second);
    expect(passthrough ? SMALL : bytesFromCache).toBe(SMALL);
    await unmount(place, second);
  });

  test("of two mounts that read at the same time: right bytes, none more than twice", async () => {
    const second = home.place("second");
    await Promise.all([mount(small, place), mount(small, second)]);
    expect(await Promise.all([sum(place), sum(second)])).toEqual([SMALL_SUM, SMALL_SUM]);
    expect((await blobs()).bytes).toBeLessThanOrEqual(2 * SMALL);
    await unmount(place, second);
  });

  test("deleted under a mount: right bytes, before and after", async () => {
    await mount(small, place);
    expect(await sum(place)).toBe(SMALL_SUM);
    rmSync(cache, { recursive: true });
    expect(await sum(place)).toBe(SMALL_SUM);
    await unmount(place);
    await mount(small, place);
    expect(await sum(place)).toBe(SMALL_SUM);
    await unmount(place);
  });

  const filesOf = (directory: string): readonly string[] =>
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  const DAMAGES: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    "cut to half": (bytes) => bytes.subarray(0, bytes.length >> 1),
    emptied: () => Buffer.alloc(0),
    "with a bit turned in the middle": (bytes) => {
      const at = bytes.length >> 1;
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      return bytes;
    },
    "with its end turned to zeros": (bytes) => bytes.fill(0, bytes.length - (bytes.length >> 3)),
  };
  const logsOf = (paths: readonly string[]): readonly string[] =>
    paths.filter((path) => path.includes("/blobs/") && readFileSync(path).length < SMALL);
  test.each(Object.entries(DAMAGES))("whose bookkeeping is %s: a miss, never wrong bytes", async (_, damage) => {
    await mount(small, place);
    expect(await sum(place)).toBe(SMALL_SUM);
    await unmount(place);
    const paths = logsOf(filesOf(join(cache, "v1")));
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) writeFileSync(path, damage(readFileSync(path)));
    await registry.reset();
    await mount(small, place);
    expect(await sum(place)).toBe(SMALL_SUM);
    expect((await stats(place)).errors).toBe(0);
    expect((await blobs()).bytes).toBeLessThanOrEqual(SMALL);
    await unmount(place);
  });

  test("whose data is cut: what is gone is fetched again", async () => {
    await mount(small, place);
    expect(await sum(place)).toBe(SMALL_SUM);
    await unmount(place);
    const data = filesOf(join(cache, "v1")).find((path) => readFileSync(path).length >= SMALL) ?? "";
    writeFileSync(data, readFileSync(data).subarray(0, SMALL >> 1));
    await mount(small, place);
    expect(await sum(place)).toBe(SMALL_SUM);
    await unmount(place);
  });

  test("that is smaller than what is read: right bytes always, and it stays small", async () => {
    await mount(big, place, "--cache-size", "16M");
    for (let pass = 0; pass < 2; pass += 1) expect(await sum(place)).toBe(BIG_SUM);
    const random = Array.from({ length: 40 }, (_, i) => (i * 7919) % (BIG / 65_536));
    const read = random.map((at) => `dd if=${place}/a.bin bs=64k skip=${at} count=1 status=none`).join("; ");
    const expected = Buffer.concat(random.map((at) => noise(42, { start: at * 65_536, end: (at + 1) * 65_536 })));
    expect((await home.sh(`{ ${read}; } | sha256sum`)).stdout.toString().slice(0, 64)).toBe(sha256(expected).slice(7));
    const { errors, cache: used } = await stats(place);
    expect([errors, used.limit]).toEqual([0, 16 * 1024 * 1024]);
    await unmount(place);
    expect(await usage()).toBeLessThanOrEqual(24 * 1024 * 1024);
    expect((await blobs()).bytes).toBeLessThanOrEqual(3.5 * BIG);
  });

  test("that others could write into is not used, with a warning", async () => {
    await mount(small, place);
    await unmount(place);
    chmodSync(join(cache, "v1"), 0o777);
    const said = await mount(small, place);
    expect(said).toContain("v1 could be written by others; going on without a disk cache");
    expect(await sum(place)).toBe(SMALL_SUM);
    await unmount(place);
    chmodSync(join(cache, "v1"), 0o700);
  });
});

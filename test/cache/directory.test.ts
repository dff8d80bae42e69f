import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { contentDirectory } from "../../src/cache/directory.ts";
import { cacheDirectoryStatus, clearCacheDirectory } from "../../src/cache/directory-status.ts";
import { REAL_FILES } from "../../src/cache/files.ts";
import { patterned } from "../conformance/cache.ts";
import { temporaryCache, type TemporaryCache } from "./temporary.ts";

const PAGE = 4096;
const bytes = patterned(3 * PAGE);
const id = digestOf(bytes);
let place: TemporaryCache;

beforeEach(() => {
  place = temporaryCache({ freeSpace: { bytes: 0, ratio: 0 } });
});
afterEach(() => place.cleanUp());

async function expectMemoryOnly(line: RegExp): Promise<void> {
  const cache = await place.open();
  expect(place.lines).toHaveLength(1);
  expect(place.lines[0]).toMatch(line);
  expect((await cache.status()).directory).toBeUndefined();
  const entry = cache.open(id, bytes.length);
  await entry.write(0, bytes);
  expect(await entry.read({ start: 0, end: 9 })).toEqual(new Uint8Array(bytes.slice(0, 9)));
  expect(entry.backing()).toBeUndefined();
}

test("lays down a tagged root, v1 with mode 0700, and its version", async () => {
  const cache = await place.open();
  expect(readFileSync(join(place.directory, "CACHEDIR.TAG"), "utf8")).toMatch(
    /^Signature: 8a477f597d28d172789f06886806bc55\n/,
  );
  expect(statSync(join(place.directory, "v1")).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(place.directory, "v1/VERSION"), "utf8")).toBe("1\n");
  await cache.open(id, bytes.length).write(0, bytes);
  const unit = join(place.directory, "v1/blobs/sha256", id.slice(7, 9), id.slice(7));
  expect(readdirSync(unit).sort()).toEqual(["data", "extents", "used"]);
  expect(statSync(join(unit, "data")).mode & 0o777).toBe(0o600);
});

test("tightens a v1 that others could read", async () => {
  mkdirSync(join(place.directory, "v1"), { mode: 0o755 });
  chmodSync(join(place.directory, "v1"), 0o755);
  await place.open();
  expect(statSync(join(place.directory, "v1")).mode & 0o777).toBe(0o700);
  expect(place.lines).toEqual([]);
});

test("a newer version: one warning, memory only, and nothing of it is touched", async () => {
  mkdirSync(join(place.directory, "v1"), { mode: 0o700 });
  writeFileSync(join(place.directory, "v1/VERSION"), "2\n");
  await expectMemoryOnly(/another version of riffle \(layout 2\).*going on without a disk cache/);
  expect(readdirSync(join(place.directory, "v1"))).toEqual(["VERSION"]);
});

test("a symbolic link v1: one warning, memory only", async () => {
  mkdirSync(join(place.directory, "elsewhere"), { mode: 0o700 });
  symlinkSync("elsewhere", join(place.directory, "v1"));
  await expectMemoryOnly(/v1 is a symbolic link/);
  expect(readdirSync(join(place.directory, "elsewhere"))).toEqual([]);
  expect(await clearCacheDirectory(place.directory)).toEqual({ freedBytes: 0 });
});

test("a file v1: one warning, memory only", async () => {
  writeFileSync(join(place.directory, "v1"), "");
  await expectMemoryOnly(/v1 is not a directory/);
});

test.skipIf(process.getuid?.() !== 0)(
  "a directory of another user (needs root to make): one warning, memory only",
  async () => {
    const { chownSync } = await import("node:fs");
    mkdirSync(join(place.directory, "v1"), { mode: 0o700 });
    chownSync(join(place.directory, "v1"), 12345, 12345);
    await expectMemoryOnly(/v1 belongs to another user/);
  },
);

test("a root that cannot be made: one warning, memory only", async () => {
  writeFileSync(join(place.directory, "file"), "");
  const cache = await place.open({ directory: join(place.directory, "file/cache") });
  expect(place.lines).toEqual([
    `cache directory ${join(place.directory, "file/cache")} cannot be used: ENOTDIR; going on without a disk cache`,
  ]);
  expect((await cache.status()).directory).toBeUndefined();
});

test("on a network file system each process has a part of its own, said once and removed at the end", async () => {
  const files = { ...REAL_FILES, facts: async () => ({ type: 0x6969, totalBytes: 1e12, freeBytes: 1e12 }) };
  const first = await place.open({ files });
  const second = await place.open({ files });
  expect(place.lines.filter((line) => line.includes("network file system"))).toHaveLength(2);
  await first.open(id, bytes.length).write(0, bytes);
  expect(second.open(id, bytes.length).heldBytes).toBe(0);
  const parts = join(place.directory, "v1/private");
  expect(readdirSync(parts)).toHaveLength(2);
  await first.close();
  expect(readdirSync(parts)).toHaveLength(1);
  await second.close();
  expect(readdirSync(parts)).toEqual([]);
});

test("a private part of a process that is gone is removed by the next", async () => {
  const { hostname } = await import("node:os");
  const dead = join(place.directory, "v1/private", `${hostname().replace(/[^A-Za-z0-9.]/g, "_")}-4194304-00`);
  const foreign = join(place.directory, "v1/private", "another.host-4194304-00");
  for (const path of [dead, foreign]) mkdirSync(path, { recursive: true, mode: 0o700 });
  await place.open({
    files: { ...REAL_FILES, facts: async () => ({ type: 0xff534d42, totalBytes: 1e12, freeBytes: 1e12 }) },
  });
  expect([existsSync(dead), existsSync(foreign)]).toEqual([false, true]);
});

test("no id reaches outside of blobs, and different ids have different places", () => {
  const hex = "ab".repeat(32);
  expect(contentDirectory("/c", `sha256:${hex}`)).toBe(`/c/blobs/sha256/ab/${hex}`);
  expect(contentDirectory("/c", `sha256:${hex}+gunzip`)).toBe(`/c/blobs/sha256/ab/${hex}+gunzip`);
  expect(contentDirectory("/c", `sha256:${hex}+../../x`)).toBe(`/c/blobs/sha256/ab/${hex}+..%2F..%2Fx`);
  expect(contentDirectory("/c", `sha256:${hex}~size-1`)).toBeUndefined();
  for (const wrong of [
    "",
    "sha256:",
    `sha256:${hex}+a~b`,
    `sha256:${hex}gunzip`,
    `sha256:${hex}+\ud800`,
    "../../etc",
    `md5:${hex}`,
    `sha256:${hex}0`,
    `sha256:${hex.toUpperCase()}`,
  ])
    expect(contentDirectory("/c", wrong)).toBeUndefined();
});

test("status and clear work without a cache of their own, and a running one goes on", async () => {
  expect(await cacheDirectoryStatus(join(place.directory, "none"), { limitBytes: 5 })).toEqual({
    directory: join(place.directory, "none"),
    bytes: 0,
    limit: 5,
    entries: 0,
  });
  const cache = await place.open();
  const entry = cache.open(id, bytes.length);
  await entry.write(0, bytes);
  const status = await cacheDirectoryStatus(place.directory, { limitBytes: 5 });
  expect([status.entries, status.bytes]).toEqual([1, (await cache.status()).bytes]);
  expect(status.bytes).toBeGreaterThanOrEqual(3 * PAGE);
  expect(await cache.clear()).toEqual({ freedBytes: 0 });
  expect((await clearCacheDirectory(place.directory)).freedBytes).toBe(status.bytes);
  expect((await cacheDirectoryStatus(place.directory, { limitBytes: 5 })).entries).toBe(0);
  expect(await entry.read({ start: 0, end: bytes.length })).toEqual(new Uint8Array(bytes));
  expect(readdirSync(join(place.directory, "v1/trash"))).toEqual([]);
});

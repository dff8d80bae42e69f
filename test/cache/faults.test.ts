import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import type { CacheEntry } from "../../src/cache/cache.ts";
import { REAL_FILES, type CacheFiles } from "../../src/cache/files.ts";
import { patterned } from "../conformance/cache.ts";
import { temporaryCache, type TemporaryCache } from "./temporary.ts";

const PAGE = 4096;
const size = 20 * PAGE + 5;
const bytes = patterned(size, 1);
const id = digestOf(bytes);
const hex = id.slice("sha256:".length);
const all = { start: 0, end: size };
let place: TemporaryCache;

beforeEach(() => {
  place = temporaryCache({ bootId: "first boot", freeSpace: { bytes: 0, ratio: 0 } });
});
afterEach(() => place.cleanUp());

const unit = (): string => join(place.directory, "v1/blobs/sha256", hex.slice(0, 2), hex);
const data = (): string => join(unit(), "data");

async function expectOnlyRight(entry: CacheEntry): Promise<void> {
  for (let start = 0; start < size; start += PAGE) {
    const end = Math.min(size, start + PAGE);
    const found = await entry.read({ start, end });
    if (found !== undefined) expect(Buffer.compare(found, bytes.slice(start, end))).toBe(0);
  }
}

for (const code of ["ENOSPC", "EIO"]) {
  test(`${code} on a write: on in memory, one line, asked again after a minute`, async () => {
    let now = 1_000_000;
    let broken = true;
    let tries = 0;
    const files: CacheFiles = {
      ...REAL_FILES,
      write: (fd, part, position) => {
        if (position !== null) tries += 1;
        if (broken) return Promise.reject(Object.assign(new Error("no"), { code }));
        return REAL_FILES.write(fd, part, position);
      },
    };
    const cache = await place.open({ files, now: () => now });
    const entry = cache.open(id, size);
    await entry.write(0, bytes.slice(0, 4 * PAGE));
    await entry.write(4 * PAGE, bytes.slice(4 * PAGE, 8 * PAGE));
    expect(entry.missing(all)).toEqual([{ start: 8 * PAGE, end: size }]);
    expect(
      Buffer.compare((await entry.read({ start: 9, end: 8 * PAGE })) ?? Buffer.alloc(0), bytes.slice(9, 8 * PAGE)),
    ).toBe(0);
    expect(place.lines).toEqual([`cache: the disk takes no more (${code}); going on in memory`]);
    expect(tries).toBe(1);
    broken = false;
    now += 61_000;
    await entry.write(8 * PAGE, bytes.slice(8 * PAGE));
    expect(tries).toBe(2);
    // Half of it in memory, half on disk: one read takes both.
    expect(Buffer.compare((await entry.read(all)) ?? Buffer.alloc(0), bytes)).toBe(0);
    expect((await place.open()).open(id, size).missing(all)).toEqual([{ start: 0, end: 8 * PAGE }]);
  });
}

test("a write that the kernel cuts short goes on where it stopped; a cut record is mended", async () => {
  let cutLog = true;
  const files: CacheFiles = {
    ...REAL_FILES,
    write: (fd, part, position) => {
      if (position !== null) return REAL_FILES.write(fd, part.subarray(0, 1000), position);
      if (!cutLog) return REAL_FILES.write(fd, part, position);
      cutLog = false;
      return REAL_FILES.write(fd, part.subarray(0, 7), position);
    },
  };
  const cache = await place.open({ files });
  const entry = cache.open(id, size);
  await entry.write(0, bytes.slice(0, 4 * PAGE));
  await entry.write(4 * PAGE, bytes.slice(4 * PAGE));
  expect(Buffer.compare((await entry.read(all)) ?? Buffer.alloc(0), bytes)).toBe(0);
  await cache.close();
  await expectOnlyRight((await place.open()).open(id, size));
});

test("EIO on a read is a miss, and what is written then is held", async () => {
  let broken = false;
  const files: CacheFiles = {
    ...REAL_FILES,
    read: (fd, target, position) =>
      broken ? Promise.reject(Object.assign(new Error("no"), { code: "EIO" })) : REAL_FILES.read(fd, target, position),
  };
  const entry = (await place.open({ files })).open(id, size);
  await entry.write(0, bytes);
  broken = true;
  expect(await entry.read({ start: 0, end: 9 })).toBeUndefined();
  expect(entry.missing({ start: 0, end: 9 })).toEqual([{ start: 0, end: PAGE }]);
  broken = false;
  await entry.write(0, bytes);
  expect(await entry.read({ start: 0, end: 9 })).toEqual(new Uint8Array(bytes.slice(0, 9)));
});

test("directory deleted while open: held bytes stay, and the next fill makes it anew", async () => {
  const cache = await place.open();
  const entry = cache.open(id, size);
  await entry.write(0, bytes.slice(0, 8 * PAGE));
  rmSync(place.directory, { recursive: true });
  expect(entry.missing({ start: 0, end: 8 * PAGE })).toEqual([]);
  expect(
    Buffer.compare((await entry.read({ start: 0, end: 8 * PAGE })) ?? Buffer.alloc(0), bytes.slice(0, 8 * PAGE)),
  ).toBe(0);
  expect(entry.missing(all)).toEqual([{ start: 8 * PAGE, end: size }]);
  await entry.write(8 * PAGE, bytes.slice(8 * PAGE));
  expect(existsSync(data())).toBe(true);
  expect(statSync(join(place.directory, "v1")).mode & 0o777).toBe(0o700);
  expect(entry.missing(all)).toEqual([{ start: 0, end: 8 * PAGE }]);
  await expectOnlyRight(entry);
  expect(place.lines).toEqual([]);
});

test("a clock that jumps back or ahead changes no byte and stops no write", async () => {
  let now = 1e12;
  let broken = true;
  const files: CacheFiles = {
    ...REAL_FILES,
    write: (fd, part, position) =>
      broken ? Promise.reject(Object.assign(new Error("no"), { code: "EIO" })) : REAL_FILES.write(fd, part, position),
  };
  const cache = await place.open({ now: () => now, files });
  const entry = cache.open(id, size);
  await entry.write(0, bytes.slice(0, PAGE));
  broken = false;
  now = 1000;
  await entry.write(PAGE, bytes.slice(PAGE, 2 * PAGE));
  expect(readdirSync(join(place.directory, "v1/blobs/sha256"))).toHaveLength(1);
  expect(statSync(data()).size).toBe(2 * PAGE);
  now = 1e13;
  await entry.write(2 * PAGE, bytes.slice(2 * PAGE));
  expect(Buffer.compare((await entry.read(all)) ?? Buffer.alloc(0), bytes)).toBe(0);
});

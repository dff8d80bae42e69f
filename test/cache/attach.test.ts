import { readFileSync, renameSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { WarmReader } from "../../src/cache/warm-reader.ts";
import { patterned } from "../conformance/cache.ts";
import { temporaryCache, type TemporaryCache } from "./temporary.ts";

const PAGE = 4096;
const size = 5 * PAGE + 9;
const bytes = patterned(size);
const id = digestOf(bytes);
let place: TemporaryCache;
let path: string;

beforeEach(() => {
  place = temporaryCache({ freeSpace: { bytes: 0, ratio: 0 } });
  path = join(place.directory, "blob");
  writeFileSync(path, bytes);
});
afterEach(() => place.cleanUp());

function warmRead(buffer: SharedArrayBuffer, slot: number): { readonly bytes: number; readonly proven: boolean } {
  const result = { bytes: 0, crossed: false, proven: false };
  const target = new Uint8Array(size);
  new WarmReader({ buffer }, 0).read(slot, 0, size, target, 0, result);
  if (result.bytes > 0) expect(target.slice(0, result.bytes)).toEqual(bytes.slice(0, result.bytes));
  return result;
}

test.each(["disk", "memory"])("a foreign file is held whole at once, by a cache on %s", async (kind) => {
  const cache = kind === "disk" ? await place.open() : await place.open({ directory: undefined });
  const entry = cache.attach(id, size, path);
  expect([entry.heldBytes, entry.proof, entry.missing({ start: 0, end: size })]).toEqual([size, "transport", []]);
  expect(await entry.read({ start: 7, end: size })).toEqual(new Uint8Array(bytes.slice(7)));
  expect(warmRead(cache.warm.buffer, entry.slot)).toMatchObject({ bytes: size, proven: false });
  expect(entry.backing()?.path).toBe(path);
  expect(await entry.verify(id)).toBe("full");
  expect(warmRead(cache.warm.buffer, entry.slot).proven).toBe(true);
  await entry.write(0, patterned(size, 2));
  await cache.clear();
  entry.close();
  await cache.settled();
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

test("says so when it is complete, to who asks later too", async () => {
  const entry = (await place.open()).attach(id, size, path);
  await new Promise<void>((resolve) => {
    entry.onComplete(resolve);
    entry.missing({ start: 0, end: size });
  });
});

test("a file that is too short lacks its end, which memory then holds", async () => {
  truncateSync(path, 2 * PAGE + 5);
  const cache = await place.open();
  const entry = cache.attach(id, size, path);
  expect(entry.missing({ start: 0, end: size })).toEqual([{ start: 2 * PAGE, end: size }]);
  expect(entry.backing()).toBeUndefined();
  expect(warmRead(cache.warm.buffer, entry.slot).bytes).toBe(-1);
  await entry.write(2 * PAGE, bytes.slice(2 * PAGE));
  expect(await entry.read({ start: 0, end: size })).toEqual(new Uint8Array(bytes));
  expect(statSync(path).size).toBe(2 * PAGE + 5);
  expect(await entry.verify(id)).toBe("full");
});

test("bytes without their digest are not believed, and the file is left alone", async () => {
  writeFileSync(path, patterned(size, 5));
  const entry = (await place.open()).attach(id, size, path);
  expect(await entry.verify(id)).toBe("mismatch");
  expect(entry.missing({ start: 0, end: PAGE })).toEqual([{ start: 0, end: PAGE }]);
  expect(statSync(path).size).toBe(size);
});

test("a file that is not there, or was swapped for another while its descriptor was given up, is a miss", async () => {
  const cache = await place.open({ maxOpenFiles: 4 });
  expect(cache.attach(id, size, `${path}-none`).missing({ start: 0, end: 1 })).toEqual([{ start: 0, end: PAGE }]);
  const entry = cache.attach(id, size, path);
  for (let other = 0; other < 8; other++) {
    writeFileSync(`${path}${other}`, bytes);
    cache.attach(id, size, `${path}${other}`);
  }
  writeFileSync(`${path}-new`, patterned(size, 3));
  renameSync(`${path}-new`, path);
  expect(await entry.read({ start: 0, end: PAGE })).toBeUndefined();
  expect(entry.missing({ start: 0, end: 1 })).toEqual([{ start: 0, end: PAGE }]);
});

import { appendFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import type { CacheEntry } from "../../src/cache/cache.ts";
import { encodeRecord, RECORD_BYTES } from "../../src/cache/extent-log.ts";
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
const log = (): string => join(unit(), "extents");
const data = (): string => join(unit(), "data");

/** Fills in pieces of four pages, each a record, and leaves without a close, as kill -9 does. */
async function fillAndCrash(pages = 21): Promise<void> {
  const cache = await place.open();
  const entry = cache.open(id, size);
  for (let page = 0; page < pages; page += 4)
    await entry.write(page * PAGE, bytes.slice(page * PAGE, Math.min(size, (page + 4) * PAGE)));
}

async function expectOnlyRight(entry: CacheEntry): Promise<void> {
  for (let start = 0; start < size; start += PAGE) {
    const end = Math.min(size, start + PAGE);
    const found = await entry.read({ start, end });
    if (found !== undefined) expect(Buffer.compare(found, bytes.slice(start, end))).toBe(0);
  }
}

test("after kill -9 everything that was written is held", async () => {
  await fillAndCrash();
  const entry = (await place.open()).open(id, size);
  expect(entry.missing(all)).toEqual([]);
  expect(Buffer.compare((await entry.read(all)) ?? Buffer.alloc(0), bytes)).toBe(0);
});

test("a torn last record is not used, and the next fill mends the log", async () => {
  await fillAndCrash(8);
  appendFileSync(log(), encodeRecord({ kind: "whole", boot: 1 }).subarray(0, 20));
  const cache = await place.open();
  const entry = cache.open(id, size);
  expect(entry.missing(all)).toEqual([{ start: 8 * PAGE, end: size }]);
  await entry.write(8 * PAGE, bytes.slice(8 * PAGE, 12 * PAGE));
  expect(statSync(log()).size % RECORD_BYTES).toBe(0);
  const again = (await place.open()).open(id, size);
  expect(again.missing(all)).toEqual([{ start: 12 * PAGE, end: size }]);
  await expectOnlyRight(again);
});

test("a flipped bit in a record ends the log there; the idle moment replaces it by the good part", async () => {
  await fillAndCrash();
  const text = readFileSync(log());
  const third = 3 * RECORD_BYTES + 9;
  text.writeUInt8(text.readUInt8(third) ^ 4, third);
  writeFileSync(log(), text);
  const cache = await place.open();
  const entry = cache.open(id, size);
  expect(entry.missing(all)).toEqual([{ start: 8 * PAGE, end: size }]);
  await cache.tidy();
  expect(statSync(log()).size).toBe(3 * RECORD_BYTES);
  await expectOnlyRight(entry);
  await entry.write(8 * PAGE, bytes.slice(8 * PAGE));
  expect((await place.open()).open(id, size).missing(all)).toEqual([]);
});

test("a foreign log, or none, is a content that is not held", async () => {
  for (const spoil of [
    () => writeFileSync(log(), "not a log at all, but long enough for a record"),
    () => rmSync(log()),
  ]) {
    await fillAndCrash();
    spoil();
    const cache = await place.open();
    const entry = cache.open(id, size);
    expect(entry.missing(all)).toEqual([all]);
    await entry.write(0, bytes.slice(0, PAGE));
    expect((await place.open()).open(id, size).missing(all)).toEqual([{ start: PAGE, end: size }]);
    await cache.clear();
    entry.discard();
    await cache.settled();
  }
});

test("log without data, or with a data file that is not its own, is not used", async () => {
  await fillAndCrash();
  rmSync(data());
  const entry = (await place.open()).open(id, size);
  expect(entry.missing(all)).toEqual([all]);
  await entry.write(0, bytes);
  expect((await place.open()).open(id, size).missing(all)).toEqual([]);
});

test("a flipped bit in data under a synced record is found by the hash of the whole", async () => {
  await fillAndCrash();
  const found = readFileSync(data());
  found.writeUInt8(found.readUInt8(5000) ^ 1, 5000);
  writeFileSync(data(), found);
  const entry = (await place.open()).open(id, size);
  expect(await entry.verify(id)).toBe("mismatch");
  expect(entry.heldBytes).toBe(0);
});

test("records beyond the end of the data are not used", async () => {
  await fillAndCrash();
  truncateSync(data(), 9 * PAGE);
  const entry = (await place.open()).open(id, size);
  expect(entry.missing(all)).toEqual([{ start: 8 * PAGE, end: size }]);
  await expectOnlyRight(entry);
});

test("a data file that was cut and grows again: what lay in the gap is fetched again, in every process", async () => {
  await fillAndCrash();
  truncateSync(data(), 9 * PAGE);
  const entry = (await place.open()).open(id, size);
  await entry.write(16 * PAGE, bytes.slice(16 * PAGE));
  expect(statSync(data()).size).toBe(size);
  // another that looked before, and one that comes after
  for (const other of [entry, (await place.open()).open(id, size)]) {
    expect(other.missing(all)).toEqual([{ start: 8 * PAGE, end: 16 * PAGE }]);
    await expectOnlyRight(other);
  }
  await entry.write(8 * PAGE, bytes.slice(8 * PAGE, 16 * PAGE));
  expect(await entry.verify(id)).toBe("full");
});

test("a proven content whose data file was cut and grows again is not proven any more", async () => {
  const first = (await place.open()).open(id, size);
  await first.write(0, bytes);
  expect(await first.verify(id)).toBe("full");
  truncateSync(data(), 9 * PAGE);
  const entry = (await place.open()).open(id, size);
  await entry.write(20 * PAGE, bytes.slice(20 * PAGE));
  for (const other of [entry, (await place.open()).open(id, size)]) {
    expect(other.proof).toBe("transport");
    await expectOnlyRight(other);
  }
});

test("a data file that is cut while its entry is open: the next write begins anew, no gap is held", async () => {
  const entry = (await place.open()).open(id, size);
  await entry.write(0, bytes.slice(0, 12 * PAGE));
  truncateSync(data(), 5 * PAGE);
  await entry.write(16 * PAGE, bytes.slice(16 * PAGE));
  expect(statSync(data()).size).toBe(size);
  await expectOnlyRight(entry);
  await expectOnlyRight((await place.open()).open(id, size));
  expect(entry.missing({ start: 6 * PAGE, end: 12 * PAGE })).toEqual([{ start: 6 * PAGE, end: 12 * PAGE }]);
});

test("power loss: what was not synced is compared with its bytes, once, and refetched where they are gone", async () => {
  await fillAndCrash();
  const found = readFileSync(data());
  found.fill(0, 8 * PAGE, 10 * PAGE);
  writeFileSync(data(), found);
  const after = await place.open({ bootId: "second boot" });
  const entry = after.open(id, size);
  expect(entry.missing(all)).toEqual([{ start: 8 * PAGE, end: 12 * PAGE }]);
  await expectOnlyRight(entry);
  await after.settled();
  // The records that agreed were written down anew: this boot's processes do not check again.
  const tampered = readFileSync(data());
  tampered.fill(9, 0, PAGE);
  writeFileSync(data(), tampered);
  const neighbour = (await place.open({ bootId: "second boot" })).open(id, size);
  expect(neighbour.missing({ start: 0, end: PAGE })).toEqual([]);
});

test("what was synced needs no check after a power loss; what a neighbour wrote after the sync does", async () => {
  const cache = await place.open();
  const entry = cache.open(id, size);
  await entry.write(0, bytes.slice(0, 8 * PAGE));
  await cache.tidy();
  await entry.write(8 * PAGE, bytes.slice(8 * PAGE));
  const found = readFileSync(data());
  found.fill(0, 8 * PAGE);
  writeFileSync(data(), found);
  const reads: number[] = [];
  const files: CacheFiles = {
    ...REAL_FILES,
    readNow: (fd, target, position) => {
      if (target.length >= PAGE) reads.push(position);
      return REAL_FILES.readNow(fd, target, position);
    },
  };
  const later = (await place.open({ bootId: "second boot", files })).open(id, size);
  expect(later.missing({ start: 0, end: 8 * PAGE })).toEqual([]);
  expect(reads).toEqual([]);
  expect(later.missing(all)).toEqual([{ start: 8 * PAGE, end: size }]);
  expect(reads).toEqual([8 * PAGE]);
});

test("without a boot id every record is checked, and a zeroed page is a miss", async () => {
  const cache = await place.open({ bootId: null });
  await cache.open(id, size).write(0, bytes);
  const found = readFileSync(data());
  found.fill(0, 3 * PAGE, 4 * PAGE);
  writeFileSync(data(), found);
  const entry = (await place.open({ bootId: null })).open(id, size);
  expect(entry.missing(all)).toEqual([all]);
});

test("a content proven whole is full at once after a restart, because its bytes were synced before it was said", async () => {
  const order: string[] = [];
  const files: CacheFiles = {
    ...REAL_FILES,
    datasync: async (fd) => {
      await REAL_FILES.datasync(fd);
      order.push("synced");
    },
    write: (fd, part, position) => {
      if (position === null) order.push(part[0] === 4 ? "whole" : "record");
      return REAL_FILES.write(fd, part, position);
    },
  };
  const cache = await place.open({ files });
  const entry = cache.open(id, size);
  await entry.write(0, bytes);
  expect(await entry.verify(id)).toBe("full");
  expect(order).toEqual(["record", "synced", "whole"]);
  const later = (await place.open({ bootId: "second boot" })).open(id, size);
  expect([later.proof, later.missing(all)]).toEqual(["full", []]);
  expect(readFileSync(later.backing()?.path ?? "").equals(bytes)).toBe(true);
});

test("an unsynced log that claims a whole content is believed only as far as its data goes", async () => {
  await fillAndCrash(8);
  appendFileSync(log(), encodeRecord({ kind: "whole", boot: 77 }));
  const entry = (await place.open({ bootId: "second boot" })).open(id, size);
  expect(entry.proof).toBe("transport");
  expect(entry.missing(all)).toEqual([{ start: 8 * PAGE, end: size }]);
});

test("the idle moment comes by itself, and the cache can be closed while it lasts", async () => {
  let synced: () => void = () => undefined;
  const syncing = new Promise<void>((resolve) => {
    synced = resolve;
  });
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const files: CacheFiles = {
    ...REAL_FILES,
    datasync: async (fd) => {
      synced();
      await gate;
      await REAL_FILES.datasync(fd);
    },
  };
  const cache = await place.open({ files, idleMs: 1 });
  await cache.open(id, size).write(0, bytes);
  await syncing;
  const closing = cache.close();
  goOn();
  await closing;
  expect((await place.open({ bootId: "second boot" })).open(id, size).missing(all)).toEqual([]);
});

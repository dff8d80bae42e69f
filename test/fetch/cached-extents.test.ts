import { expect, test } from "vitest";
import { alignToPages, type ByteRange } from "../../src/bytes/range.ts";
import { extentTable, type ExtentTable } from "../../src/formats/extents.ts";
import {
  BLOB,
  cachedBench,
  expectBytes,
  KIB,
  MIB,
  of,
  total,
  until,
  type CachedBench,
} from "../support/cached-bench.ts";
import { columnTable, tileTable } from "../support/extent-tables.ts";

const SIZE = BLOB.length;

interface Reader extends CachedBench {
  read(range: ByteRange, handle?: number): Promise<void>;
}

async function readerOf(table: ExtentTable, options: Parameters<typeof cachedBench>[1] = {}): Promise<Reader> {
  const bench = await cachedBench({}, options);
  bench.cached.useExtents(table);
  return {
    ...bench,
    read: async (range, handle = 1) => {
      expectBytes(await bench.cached.read(range, { handle }), range);
    },
  };
}

const unit = (table: ExtentTable, row: number): ByteRange => ({
  start: table.starts[row] ?? 0,
  end: table.ends[row] ?? 0,
});

/** As DuckDB reads a column chunk: the header, then the rest of it. */
async function readChunk(reader: Reader, chunk: ByteRange, handle = 1): Promise<void> {
  await reader.read(of(chunk.start, 256), handle);
  await reader.read({ start: chunk.start + 23, end: chunk.end }, handle);
}

test("a read inside a unit has the unit whole, in one request, with the read itself", async () => {
  const table = tileTable([300_000, 300_000, 300_000], { start: 10_000, size: SIZE });
  const reader = await readerOf(table);
  await reader.read(of(330_000, 16 * KIB));
  for (let at = 346_000; at < 600_000; at += 10_000) await reader.read(of(at, 10_000));
  expect(reader.asked()).toEqual([alignToPages(unit(table, 1), SIZE)]);
});

test("one column of twelve row groups: one request each, the next one before it is asked for", async () => {
  const table = columnTable([160_000, 340_000, 140_000, 350_000, 157_000, 47, 500_000], { groups: 12, size: SIZE });
  const reader = await readerOf(table);
  const chunks = Array.from({ length: 12 }, (_, group) => unit(table, group * 7 + 3));
  for (const [group, chunk] of chunks.entries()) {
    if (group >= 3) await until(() => reader.entry.missing(of(chunk.start, 256)).length === 0);
    await readChunk(reader, chunk);
  }
  expect(reader.asked()).toHaveLength(12);
  expect(total(reader.asked())).toBeLessThanOrEqual(1.05 * total(chunks));
});

test("two threads that take row groups in turns are followed together", async () => {
  const table = columnTable([160_000, 340_000, 140_000, 350_000], { groups: 12, size: SIZE });
  const reader = await readerOf(table);
  const chunks = Array.from({ length: 12 }, (_, group) => unit(table, group * 4 + 1));
  const next = chunks.values();
  const thread = async (handle: number): Promise<void> => {
    for (const chunk of next) await readChunk(reader, chunk, handle);
  };
  await Promise.all([thread(1), thread(2)]);
  expect(reader.asked()).toHaveLength(12);
});

test("a short chunk's header read does not have its neighbour fetched", async () => {
  const table = columnTable([100_000, 47, 500_000], { groups: 2, size: SIZE });
  const reader = await readerOf(table);
  await reader.read(of(unit(table, 1).start, 256));
  await reader.read({ start: unit(table, 1).start + 20, end: unit(table, 1).end });
  expect(total(reader.asked())).toBeLessThanOrEqual(8192);
});

test("four columns of one row group or two cost four requests each, and nothing else", async () => {
  const table = columnTable([162_000, 338_000, 140_000, 352_000, 157_000, 47, 504_000], { groups: 6, size: SIZE });
  const reader = await readerOf(table);
  const wanted = [14, 15, 16, 17, 21, 22, 23, 24].map((row) => unit(table, row));
  for (const chunk of wanted) await readChunk(reader, chunk);
  expect(reader.asked()).toHaveLength(8);
  expect(total(reader.asked())).toBeLessThanOrEqual(1.05 * total(wanted));
});

test("all columns of a row group are few requests, and none for the next group", async () => {
  const sizes = [162, 338, 140, 352, 157, 1, 504, 503, 502, 503, 506, 502, 503, 503, 504, 506, 504, 502, 502, 504];
  const table = columnTable(
    sizes.map((kib) => kib * 1000),
    { groups: 2, size: SIZE },
  );
  const reader = await readerOf(table);
  const chunks = sizes.map((_, row) => unit(table, row));
  for (const chunk of chunks) await readChunk(reader, chunk);
  expect(reader.asked().length).toBeLessThanOrEqual(6);
  expect(total(reader.asked())).toBeLessThanOrEqual(1.02 * total(chunks));
});

test("the columns that two row groups had are had together in the third", async () => {
  const table = columnTable(
    Array.from({ length: 30 }, () => 10_000),
    { groups: 8, size: SIZE },
  );
  // A request that is worth a megabyte: 20 ms at 50 MB/s.
  const cost = { gapBytes: () => 1_000_000, firstByteMs: () => 20, observe: () => undefined };
  const reader = await readerOf(table, { cost });
  const columns = [3, 9, 10, 20, 28];
  const counts: number[] = [];
  for (let group = 0; group < 8; group++) {
    for (const column of columns) await readChunk(reader, unit(table, group * 30 + column));
    counts.push(reader.asked().length);
  }
  expect(counts[1]).toBeLessThanOrEqual(10);
  expect(counts[7]).toBeLessThanOrEqual(10 + 7);
});

/** As GDAL reads: buffered, so that reads begin and end on pages, in the neighbours of the tile. */
async function readTileRow(reader: Reader, tiles: readonly ByteRange[]): Promise<void> {
  const page = (offset: number): number => Math.floor(offset / 4096) * 4096;
  for (const tile of tiles) {
    const first = page(tile.start);
    if (reader.entry.missing(of(first, 4096)).length > 0) await reader.read(of(first, 4096));
    const middle = { start: first + 4096, end: page(tile.end) };
    if (reader.entry.missing(middle).length > 0) await reader.read(middle);
    else reader.cached.touched(middle, 1);
    if (reader.entry.missing(of(middle.end, 4096)).length > 0) await reader.read(of(middle.end, 4096));
  }
}

test("a window of three by three tiles: four requests, and no tile but those nine", async () => {
  const across = 6;
  const sizes = Array.from({ length: 60 }, (_, tile) => 290_000 + ((tile * 7919) % 30_000));
  const table = tileTable(sizes, { start: 20_000, padding: 8, size: SIZE });
  const reader = await readerOf(table);
  const rows = [2, 3, 4].map((row) => [1, 2, 3].map((column) => unit(table, row * across + column)));
  for (const row of rows) await readTileRow(reader, row);
  expect(reader.asked()).toHaveLength(4);
  expect(total(reader.asked())).toBeLessThanOrEqual(1.05 * total(rows.flat()));
});

test("a small image is had in two requests", async () => {
  const table = tileTable([160_000, 360_000, 135_000, 120_000, 43_000], { start: 24_500, padding: 8, size: SIZE });
  const reader = await readerOf({ ...table, series: Int32Array.of(1, 0, 0, 0, 0) });
  await readTileRow(
    reader,
    [1, 2, 3, 4].map((row) => unit(table, row)),
  );
  expect(reader.asked()).toHaveLength(2);
});

test("pages: one is had alone, the chunk with its second", async () => {
  const table = columnTable([1_000_000, 1_000_000], { groups: 3, pages: 10, size: SIZE });
  const reader = await readerOf(table);
  await reader.read(of(unit(table, 4).start, 2000));
  expect(reader.asked()).toEqual([alignToPages(unit(table, 4), SIZE)]);
  await reader.read(of(unit(table, 7).start + 500, 2000));
  await until(() => reader.entry.missing({ start: 4, end: 1_000_004 }).length === 0);
  expect(total(reader.asked())).toBeLessThanOrEqual(1_000_000 + 8192);
});

test("a reader of page headers walks the chunk: it is one request", async () => {
  const table = columnTable([1_000_000, 1_000_000], { groups: 3, pages: 10, size: SIZE });
  const reader = await readerOf(table);
  for (let page = 0; page < 10; page += 1) {
    const { start, end } = unit(table, page);
    await reader.read(of(start, 256));
    await reader.read({ start: start + 23, end });
  }
  expect(reader.asked()).toEqual([alignToPages({ start: unit(table, 0).start, end: unit(table, 9).end }, SIZE)]);
});

test("narrow columns of many row groups are had far ahead, in few waits; wide ones are not", async () => {
  const narrow = columnTable([4000, 4000, 4000], { groups: 60, size: SIZE });
  const reader = await readerOf(narrow);
  for (let group = 0; group < 3; group++) await readChunk(reader, unit(narrow, group * 3 + 1));
  await until(() => reader.entry.missing(unit(narrow, 40 * 3 + 1)).length === 0);
  expect(total(reader.asked())).toBeLessThanOrEqual(3 * 64 * 12_288);
  const wide = columnTable([400_000, 400_000], { groups: 20, size: SIZE });
  const other = await readerOf(wide);
  for (let group = 0; group < 3; group++) await readChunk(other, unit(wide, group * 2));
  await until(() => other.entry.missing(unit(wide, 3 * 2)).length === 0);
  await other.cached.close();
  expect(total(other.asked())).toBeLessThanOrEqual(4 * 408_192);
});

test("point lookups in many chunks never take more than their pages", async () => {
  const table = columnTable([1_000_000, 1_000_000], { groups: 12, pages: 20, size: SIZE });
  const reader = await readerOf(table);
  const pages = [5, 45, 85, 125, 165, 205].map((row) => unit(table, row));
  for (const page of pages) await reader.read(page);
  expect(total(reader.asked())).toBeLessThanOrEqual(1.2 * total(pages));
});

test("a mapped tensor of 20 MB is three requests, and little of the next tensor", async () => {
  const table = extentTable(
    [
      { start: 1000, end: 2_000_000, series: 0 },
      { start: 2_000_000, end: 22_000_000, series: 0 },
      { start: 22_000_000, end: SIZE, series: 0 },
    ],
    SIZE,
  );
  const reader = await readerOf(table);
  const page = Math.floor(2_000_000 / 4096) * 4096;
  // Around the first touch, then ahead in steps.
  for (let at = page - 64 * KIB; at < 22_000_000; at += 128 * KIB) {
    const range = of(at, 128 * KIB);
    if (reader.entry.missing(range).length > 0) await reader.read(range);
    else reader.cached.touched(range, 1);
  }
  await reader.read(of(page - 64 * KIB + 153 * 128 * KIB, 128 * KIB));
  expect(reader.asked().length).toBeLessThanOrEqual(6);
  expect(total(reader.asked())).toBeLessThanOrEqual(1.05 * 20_000_000);
});

test("random reads in a large unit have what they read", async () => {
  const table = extentTable([{ start: 1 * MIB, end: SIZE, series: -1 }], SIZE);
  const reader = await readerOf(table);
  const reads = Array.from({ length: 40 }, (_, index) => of(10 * MIB + ((index * 7919) % 3400) * 4096, 4096));
  for (const read of reads) await reader.read(read);
  expect(total(reader.asked())).toBeLessThanOrEqual(2 * total(reads));
});

test("reading ahead stays out of units that nobody asked for", async () => {
  const table = extentTable([{ start: 1_000_000, end: 3_000_000, series: 0 }], SIZE);
  const reader = await readerOf(table);
  for (let at = 0; at < 900_000; at += 50_000) await reader.read(of(at, 50_000));
  await reader.cached.close();
  expect(total(reader.asked())).toBeLessThanOrEqual(1_012_000);
});

test("a copy of the whole file is a stream, whatever its units", async () => {
  const table = columnTable(
    Array.from({ length: 40 }, () => 60_000),
    { groups: 10, size: SIZE },
  );
  const reader = await readerOf(table);
  for (let at = 0; at < SIZE; at += 128 * KIB) {
    const range = { start: at, end: Math.min(SIZE, at + 128 * KIB) };
    await reader.read(range);
  }
  expect(total(reader.asked())).toBe(SIZE);
  expect(reader.asked().length).toBeLessThan(70);
});

test("frugal: units, and nothing beside them", async () => {
  const table = columnTable([100_000, 100_000], { groups: 100, size: SIZE });
  const reader = await readerOf(table, { frugal: true });
  for (let group = 0; group < 6; group++) await readChunk(reader, unit(table, group * 2));
  expect(reader.asked()).toHaveLength(6);
  expect(total(reader.asked())).toBeLessThanOrEqual(6 * 108_192);
});

test("without the budget's room nothing is fetched ahead, and reads are answered", async () => {
  const { ByteBudget } = await import("../../src/fetch/budget.ts");
  const table = columnTable([400_000, 400_000], { groups: 20, size: SIZE });
  const reader = await readerOf(table, { budget: new ByteBudget(100_000) });
  for (let group = 0; group < 6; group++) await readChunk(reader, unit(table, group * 2));
  await reader.cached.close();
  expect(reader.asked()).toHaveLength(6);
  expect(reader.budget.used).toBe(0);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExtentIndex } from "../../src/cache/extent-index.ts";
import {
  bootTag,
  decodeRecord,
  decodeRecords,
  encodeRecord,
  extentRecords,
  NO_BOOT,
  RECORD_BYTES,
  RECORD_PAGES_MAX,
  type LogRecord,
} from "../../src/cache/extent-log.ts";

const boot = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const record: fc.Arbitrary<LogRecord> = fc.oneof(
  fc.record({ kind: fc.constant("head" as const), size: offset, nonce: u32, boot }),
  fc.record({
    kind: fc.constant("extent" as const),
    first: offset,
    pages: fc.integer({ min: 1, max: RECORD_PAGES_MAX }),
    crc: u32,
    verified: fc.boolean(),
    boot,
  }),
  fc.record({ kind: fc.constant("synced" as const), records: offset, boot }),
  fc.record({ kind: fc.constant("whole" as const), boot }),
);
const joined = (records: readonly LogRecord[]): Buffer => Buffer.concat(records.map(encodeRecord));

describe("records", () => {
  test("come back as they were written", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), (records) => {
        expect(decodeRecords(joined(records))).toEqual({
          records,
          bytesUsed: records.length * RECORD_BYTES,
          torn: false,
        });
      }),
    );
  });

  test("any flipped bit ends the log at its record, and nothing behind it is read", () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 8 }), fc.nat(), (records, where) => {
        const bytes = joined(records);
        const bit = where % (bytes.length * 8);
        bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        const damaged = Math.floor((bit >> 3) / RECORD_BYTES);
        expect(decodeRecords(bytes)).toEqual({
          records: records.slice(0, damaged),
          bytesUsed: damaged * RECORD_BYTES,
          torn: true,
        });
      }),
    );
  });

  test("a cut log gives its whole records and is not called torn: the rest may be on its way", () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 8 }), fc.nat(), (records, where) => {
        const cut = where % (records.length * RECORD_BYTES);
        const found = decodeRecords(joined(records).subarray(0, cut));
        expect(found.torn).toBe(false);
        expect(found.records).toEqual(records.slice(0, Math.floor(cut / RECORD_BYTES)));
      }),
    );
  });

  test("noise is never a record, and never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (noise) => {
        const found = decodeRecords(Buffer.from(noise));
        expect(found.records).toEqual([]);
        expect(found.torn).toBe(noise.length >= RECORD_BYTES);
      }),
    );
  });

  test("a record of another kind, or too long to prove, is foreign though its sums are right", () => {
    const extent = encodeRecord({ kind: "extent", first: 0, pages: 257, crc: 0, verified: false, boot: 1 });
    expect(decodeRecord(extent, 0)).toBeUndefined();
  });

  test("a run is cut into records that are proven one by one", () => {
    const records = extentRecords({ start: 3, end: 3 + 600 }, new Uint8Array(600 * 4096 - 7), {
      verified: true,
      boot: 5,
    });
    expect(records.map(({ first, pages }) => [first, pages])).toEqual([
      [3, 256],
      [259, 256],
      [515, 88],
    ]);
    expect(records[0]?.crc).not.toBe(records[2]?.crc);
  });

  test("boot ids give tags that fit, and no id gives none", () => {
    expect(bootTag(undefined)).toBe(NO_BOOT);
    expect(bootTag(" \n")).toBe(NO_BOOT);
    expect(bootTag("a\n")).toBe(bootTag("a"));
    expect(bootTag("a")).not.toBe(bootTag("b"));
    expect(bootTag("a")).toBeLessThan(2 ** 48);
  });
});

describe("the index of a log", () => {
  const size = 64 * 4096;
  const extent = (first: number, pages: number, tag: number): LogRecord => ({
    kind: "extent",
    first,
    pages,
    crc: 0,
    verified: false,
    boot: tag,
  });

  test("a synced record covers what stands before its count, of its own boot", () => {
    const index = new ExtentIndex(size, { boot: 9 });
    index.take(
      [extent(0, 4, 1), extent(4, 4, 2), extent(8, 4, 1), { kind: "synced", records: 3, boot: 1 }, extent(12, 4, 9)],
      { index: 1, dataBytes: size },
    );
    // Record 3 of the log is the third here: not among the first three.
    expect(index.held.absent(0, 64)).toEqual([
      { start: 4, end: 12 },
      { start: 16, end: 64 },
    ]);
    expect(index.takePending({ start: 0, end: 64 }).map((pending) => pending.first)).toEqual([4, 8]);
  });

  test("no record makes it hold pages that are not there", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 30 }), fc.integer({ min: 0, max: size }), (records, dataBytes) => {
        const index = new ExtentIndex(size, { boot: 9 });
        index.take(records, { index: 0, dataBytes });
        for (const run of [{ start: 0, end: 64 }]) {
          const held = 64 - index.held.absent(run.start, run.end).reduce((sum, gap) => sum + gap.end - gap.start, 0);
          expect(held).toBe(index.held.count);
          expect(held * 4096).toBeLessThanOrEqual(dataBytes + 4095);
        }
      }),
    );
  });
});

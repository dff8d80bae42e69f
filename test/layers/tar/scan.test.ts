import { describe, expect, test } from "vitest";
import { memorySource, type RangeSource } from "../../../src/bytes/source.ts";
import type { ArchiveListing } from "../../../src/layers/archive-listing.ts";
import { scanTar } from "../../../src/layers/tar/scan.ts";
import { tarFile, virtualTar } from "../../support/tar-file.ts";

const GAP_BYTES = 64 * 1024;
const MIB = 1024 * 1024;
const scan = (source: RangeSource, gapBytes = GAP_BYTES): Promise<ArchiveListing> =>
  scanTar(source, { gapBytes: () => gapBytes });

describe("what a listing moves", () => {
  test("400 files of 500 KB: at most one request a header and 4, a page each", async () => {
    const tar = virtualTar(Array.from({ length: 400 }, () => 500_000));
    expect((await scan(tar)).entries).toHaveLength(400);
    expect(tar.asked.length).toBeLessThanOrEqual(404);
    expect(tar.bytesAsked).toBeLessThanOrEqual(404 * 4096);
  });

  test("1,000 files of repeating sizes around 60 KB: at most 8 % of the bytes", async () => {
    const cycle = [58_000, 61_234, 60_000, 64_999];
    const tar = virtualTar(Array.from({ length: 1000 }, (_, at) => cycle[at % cycle.length] ?? 0));
    expect((await scan(tar)).entries).toHaveLength(1000);
    expect(tar.bytesAsked / tar.size).toBeLessThanOrEqual(0.08);
    expect(tar.asked.length).toBeLessThanOrEqual(1010);
  });

  test("small contents are read through in windows", async () => {
    const tar = virtualTar(Array.from({ length: 5000 }, (_, at) => (at * 37) % 4000));
    expect((await scan(tar)).entries).toHaveLength(5000);
    expect(tar.bytesAsked).toBeLessThanOrEqual(tar.size + 16 * 4096);
    expect(tar.asked.length).toBeLessThanOrEqual(3 + Math.ceil(tar.size / MIB));
  });

  test("irregular large contents: one page for each header, and no guesses to speak of", async () => {
    const tar = virtualTar(Array.from({ length: 200 }, (_, at) => 300_000 + ((at * at * 7919) % 400_000)));
    expect((await scan(tar)).entries).toHaveLength(200);
    expect(tar.asked.length).toBeLessThanOrEqual(204);
  });

  test("headers with an extended one before each", async () => {
    const tar = virtualTar(
      Array.from({ length: 300 }, () => 400_000),
      { isPax: true },
    );
    const { entries } = await scan(tar);
    expect(entries).toHaveLength(300);
    expect(entries.every(({ mtime }) => mtime === 1.25)).toBe(true);
    expect(tar.asked.length).toBeLessThanOrEqual(305);
    expect(tar.bytesAsked).toBeLessThanOrEqual(305 * 8192);
  });

  test("a break in the pattern costs a few small reads, and the pattern is found again", async () => {
    const sizes = Array.from({ length: 300 }, (_, at) => (at === 150 ? 777_777 : 500_000));
    const tar = virtualTar(sizes);
    expect((await scan(tar)).entries).toHaveLength(300);
    expect(tar.asked.length).toBeLessThanOrEqual(300 + 4 + 8);
  });

  test("reads overlap where sizes repeat", async () => {
    const tar = virtualTar(Array.from({ length: 100 }, () => 500_000));
    let active = 0;
    let most = 0;
    const slow: RangeSource = {
      ...tar,
      read: async (range) => {
        active += 1;
        most = Math.max(most, active);
        const bytes = await tar.read(range);
        for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        active -= 1;
        return bytes;
      },
    };
    await scan(slow);
    expect(most).toBeGreaterThanOrEqual(6);
    expect(most).toBeLessThanOrEqual(9);
  });
});

describe("failures", () => {
  test("one that is no archive's own comes through, and an abort ends the scan", async () => {
    const tar = virtualTar(Array.from({ length: 50 }, () => 500_000));
    const broken: RangeSource = {
      ...tar,
      read: (range) => (range.start > 5_000_000 ? Promise.reject(new Error("gone")) : tar.read(range)),
    };
    await expect(scan(broken)).rejects.toThrow("gone");
    const stop = new AbortController();
    stop.abort(new Error("enough"));
    const watching: RangeSource = {
      ...tar,
      read: (range, options) => {
        options?.signal?.throwIfAborted();
        return tar.read(range);
      },
    };
    await expect(scanTar(watching, { gapBytes: () => GAP_BYTES, signal: stop.signal })).rejects.toThrow("enough");
  });

  test("an archive of nothing is empty; one that ends in a header is refused", async () => {
    expect((await scan(memorySource("empty", tarFile()))).entries).toEqual([]);
    const cut = tarFile({ name: "a", content: new Uint8Array(10) }).subarray(0, 1024 + 100);
    await expect(scan(memorySource("cut", cut))).rejects.toMatchObject({ code: "malformed" });
  });
});

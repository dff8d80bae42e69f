import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf, type Digest } from "../../src/bytes/digest.ts";
import type { Cache } from "../../src/cache/cache.ts";
import { patterned } from "../support/patterned.ts";

const PAGE = 4096;

export { patterned };

export interface CacheFixture {
  readonly cache: Cache;
  readonly close: () => Promise<void>;
}

/** What every cache promises, on disk or in memory. `make` gives an empty one. */
export function cacheConformance(name: string, make: () => Promise<CacheFixture>): void {
  describe(`cache: ${name}`, () => {
    const size = 10 * PAGE + 123;
    const content = patterned(size);
    const digest: Digest = digestOf(content);
    let fixture: CacheFixture;
    let cache: Cache;

    beforeEach(async () => {
      fixture = await make();
      cache = fixture.cache;
    });
    afterEach(() => fixture.close());

    test("holds nothing at first, and says so in whole pages", async () => {
      const entry = cache.open(digest, size);
      expect(entry.missing({ start: 5000, end: 5001 })).toEqual([{ start: PAGE, end: 2 * PAGE }]);
      expect(entry.missing({ start: size - 1, end: size + 99 })).toEqual([{ start: 10 * PAGE, end: size }]);
      expect(entry.missing({ start: size, end: size + 5 })).toEqual([]);
      expect(await entry.read({ start: 0, end: 1 })).toBeUndefined();
      expect([entry.heldBytes, entry.proof, entry.backing()]).toEqual([0, "transport", undefined]);
      entry.close();
    });

    test("gives back what was written, in any cut, and only that", async () => {
      const entry = cache.open(digest, size);
      await entry.write(2 * PAGE, content.slice(2 * PAGE, 5 * PAGE));
      expect(entry.missing({ start: 0, end: size })).toEqual([
        { start: 0, end: 2 * PAGE },
        { start: 5 * PAGE, end: size },
      ]);
      expect(await entry.read({ start: 2 * PAGE + 7, end: 5 * PAGE - 9 })).toEqual(
        new Uint8Array(content.slice(2 * PAGE + 7, 5 * PAGE - 9)),
      );
      expect(await entry.read({ start: 2 * PAGE - 1, end: 3 * PAGE })).toBeUndefined();
      expect(entry.heldBytes).toBe(3 * PAGE);
      entry.close();
    });

    test("keeps a short last page and clips reads at the size", async () => {
      const entry = cache.open(digest, size);
      await entry.write(10 * PAGE, content.slice(10 * PAGE));
      expect(await entry.read({ start: 10 * PAGE, end: size + 1000 })).toEqual(
        new Uint8Array(content.slice(10 * PAGE)),
      );
      expect(await entry.read({ start: size, end: size + 1 })).toHaveLength(0);
      entry.close();
    });

    test("keeps only the whole pages of a write that is not cut at pages", async () => {
      const entry = cache.open(digest, size);
      await entry.write(100, content.slice(100, 3 * PAGE + 50));
      expect(entry.missing({ start: 0, end: 4 * PAGE })).toEqual([
        { start: 0, end: PAGE },
        { start: 3 * PAGE, end: 4 * PAGE },
      ]);
      entry.close();
    });

    test("never answers for pages that bytes were given beyond the end of", async () => {
      const entry = cache.open(digest, size);
      await entry.write(10 * PAGE, patterned(3 * PAGE));
      expect(entry.missing({ start: 0, end: size })).toEqual([{ start: 0, end: 10 * PAGE }]);
      entry.close();
    });

    test("a write of 8 MiB can be read right after", async () => {
      const large = patterned(8 * 1024 * 1024);
      const entry = cache.open(digestOf(large), large.length);
      await entry.write(0, large);
      expect(Buffer.compare((await entry.read({ start: 0, end: large.length })) ?? Buffer.alloc(0), large)).toBe(0);
      entry.close();
    });

    test("is shared by all who open the same id, until the last closes", async () => {
      const first = cache.open(digest, size);
      const second = cache.open(digest, size);
      await first.write(0, content.slice(0, PAGE));
      first.close();
      expect(second.missing({ start: 0, end: PAGE })).toEqual([]);
      second.close();
      expect(second.missing({ start: 0, end: PAGE })).toEqual([{ start: 0, end: PAGE }]);
      await second.write(0, content.slice(0, PAGE));
      expect(await second.read({ start: 0, end: PAGE })).toBeUndefined();
    });

    test("keeps ids, decodings and sizes apart", async () => {
      const entry = cache.open(digest, size);
      const decoded = cache.open(`${digest}+gunzip`, size);
      const shorter = cache.open(digest, size - 5000);
      await entry.write(0, content);
      expect(decoded.heldBytes).toBe(0);
      expect(shorter.missing({ start: 0, end: PAGE })).toEqual([{ start: 0, end: PAGE }]);
      await shorter.write(0, patterned(size - 5000, 9));
      expect(await shorter.read({ start: 0, end: 9 })).toEqual(new Uint8Array(patterned(9, 9)));
      expect(await entry.read({ start: 0, end: 9 })).toEqual(new Uint8Array(content.slice(0, 9)));
      for (const open of [entry, decoded, shorter]) open.close();
    });

    test("proof goes from transport over chunk to full", async () => {
      const entry = cache.open(digest, size);
      await entry.write(0, content.slice(0, 4 * PAGE), { verified: true });
      expect(entry.proof).toBe("chunk");
      await entry.write(4 * PAGE, content.slice(4 * PAGE));
      expect(entry.proof).toBe("transport");
      expect(await entry.verify(digest)).toBe("full");
      expect(entry.proof).toBe("full");
      expect(await entry.verify(digest)).toBe("full");
      entry.close();
    });

    test("checked bytes replace unchecked ones, never the other way round", async () => {
      const wrong = patterned(size, 2);
      const entry = cache.open(digest, size);
      await entry.write(0, wrong.slice(0, 2 * PAGE));
      await entry.write(0, content.slice(0, 2 * PAGE), { verified: true });
      await entry.write(0, wrong.slice(0, 2 * PAGE));
      expect(await entry.read({ start: 0, end: 2 * PAGE })).toEqual(new Uint8Array(content.slice(0, 2 * PAGE)));
      expect(entry.proof).toBe("chunk");
      entry.close();
    });

    test("an incomplete content is not verified", async () => {
      const entry = cache.open(digest, size);
      await entry.write(0, content.slice(0, PAGE));
      expect(await entry.verify(digest)).toBe("incomplete");
      entry.close();
    });

    test("bytes without their digest are thrown away", async () => {
      const entry = cache.open(digest, size);
      await entry.write(0, patterned(size, 3));
      expect(await entry.verify(digest)).toBe("mismatch");
      expect([entry.heldBytes, entry.proof]).toEqual([0, "transport"]);
      await entry.write(0, content);
      expect(await entry.verify(digest)).toBe("full");
      entry.close();
    });

    test("an aborted verification rejects and changes nothing", async () => {
      const entry = cache.open(digest, size);
      await entry.write(0, content);
      await expect(entry.verify(digest, AbortSignal.abort())).rejects.toMatchObject({ code: "aborted" });
      expect(entry.missing({ start: 0, end: size })).toEqual([]);
      entry.close();
    });

    test("says once that everything is held, and again after a discard", async () => {
      const entry = cache.open(digest, size);
      let calls = 0;
      entry.onComplete(() => (calls += 1));
      await entry.write(0, content.slice(0, 5 * PAGE));
      expect(calls).toBe(0);
      await entry.write(5 * PAGE, content.slice(5 * PAGE));
      await entry.write(0, content);
      expect(calls).toBe(1);
      entry.discard();
      expect(entry.missing({ start: 0, end: size })).toEqual([{ start: 0, end: size }]);
      await entry.write(0, content);
      await Promise.resolve();
      expect(calls).toBe(2);
      entry.close();
    });

    test("an empty content is complete and has the empty digest", async () => {
      const nothing = new Uint8Array(0);
      const entry = cache.open(digestOf(nothing), 0);
      expect(entry.missing({ start: 0, end: 10 })).toEqual([]);
      expect(await entry.read({ start: 0, end: 10 })).toHaveLength(0);
      await entry.write(0, nothing);
      expect(await entry.verify(digestOf(nothing))).toBe("full");
      expect(entry.proof).toBe("full");
      entry.close();
    });

    test("sha512 contents are verified too", async () => {
      const long = digestOf(content, "sha512");
      const entry = cache.open(long, size);
      await entry.write(0, content);
      expect(await entry.verify(long)).toBe("full");
      entry.close();
    });

    test("after close every entry is a miss", async () => {
      const entry = cache.open(digest, size);
      await entry.write(0, content);
      await cache.close();
      expect(entry.missing({ start: 0, end: 1 })).toEqual([{ start: 0, end: PAGE }]);
      expect(await entry.read({ start: 0, end: 1 })).toBeUndefined();
      expect(entry.slot).toBe(0);
    });
  });
}

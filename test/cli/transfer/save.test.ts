import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../../src/bytes/digest.ts";
import type { ByteRange } from "../../../src/bytes/range.ts";
import { isSaved, partPath, saveContent, type Content } from "../../../src/cli/transfer/save.ts";
import { isRiffleError, RiffleError } from "../../../src/errors.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "riffle-save-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8)) % 256);

interface Fake {
  readonly content: Content;
  readonly asked: ByteRange[];
}

interface FakeOptions {
  /** As a registry that ignores ranges: everything from the range's start to the blob's end. */
  readonly ignoresRanges?: boolean;
  /** Cuts the first answers short after so many bytes. */
  readonly failAfter?: number;
  readonly digest?: Content["digest"];
  /** Bytes of one chunk. */
  readonly chunk?: number;
}

function fake(bytes: Uint8Array, options: FakeOptions = {}): Fake {
  const asked: ByteRange[] = [];
  let left = options.failAfter ?? Number.POSITIVE_INFINITY;
  const { chunk = 100 } = options;
  const content: Content = {
    id: "sha256:test",
    size: bytes.length,
    digest: "digest" in options ? options.digest : digestOf(bytes),
    fetch: async (range, sink, signal) => {
      asked.push(range);
      const start = options.ignoresRanges === true ? 0 : range.start;
      const end = options.ignoresRanges === true ? bytes.length : range.end;
      for (let at = start; at < end; at += chunk) {
        await new Promise(setImmediate);
        signal?.throwIfAborted();
        if (left <= 0) throw new Error("the connection was cut");
        left -= chunk;
        await sink(at, bytes.subarray(at, Math.min(end, at + chunk)));
      }
    },
  };
  return { content, asked };
}

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "none";
  } catch (error) {
    return isRiffleError(error) ? error.code : String(error);
  }
};

test("what is saved is the content, whatever the windows and the order in which they come", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(5000),
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 900 }),
      fc.boolean(),
      async (size, windowBytes, windows, chunk, ignoresRanges) => {
        const bytes = bytesOf(size);
        const target = join(folder, "file");
        const { content, asked } = fake(bytes, { chunk, ignoresRanges });
        const saved = await saveContent(content, target, { windowBytes, windows });
        expect(Buffer.compare(readFileSync(target), bytes)).toBe(0);
        expect(saved).toEqual({ fetchedBytes: size, resumedBytes: 0, verified: true });
        expect(asked.length).toBe(ignoresRanges ? Math.min(1, size) : Math.ceil(size / windowBytes));
        rmSync(target);
      },
    ),
    { numRuns: 60 },
  );
});

test("after a cut it goes on where it stopped, and fetches no byte twice", async () => {
  const bytes = bytesOf(10_000);
  const target = join(folder, "data.bin");
  const cut = fake(bytes, { failAfter: 3000 });
  expect(await codeOf(saveContent(cut.content, target, { windowBytes: 1000, windows: 1 }))).toContain("cut");
  expect(existsSync(target)).toBe(false);
  expect(readdirSync(folder)).toEqual([partPath(target, cut.content.id).slice(folder.length + 1)]);
  const again = fake(bytes);
  const saved = await saveContent(again.content, target, { windowBytes: 1000, windows: 1 });
  expect(saved).toEqual({ fetchedBytes: 7000, resumedBytes: 3000, verified: true });
  expect(again.asked[0]).toEqual({ start: 3000, end: 4000 });
  expect(readdirSync(folder)).toEqual(["data.bin"]);
});

describe("a rest of an earlier attempt", () => {
  test.each([
    ["damaged", Buffer.alloc(500, 0xee)],
    ["too long", Buffer.alloc(20_000, 1)],
  ])("that is %s does no harm", async (_, rest) => {
    const bytes = bytesOf(5000);
    const target = join(folder, "file");
    const { content } = fake(bytes);
    writeFileSync(partPath(target, content.id), rest);
    await saveContent(content, target);
    expect(Buffer.compare(readFileSync(target), bytes)).toBe(0);
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  test("that was whole needs no request", async () => {
    const bytes = bytesOf(5000);
    const target = join(folder, "file");
    const { content, asked } = fake(bytes);
    writeFileSync(partPath(target, content.id), bytes);
    expect(await saveContent(content, target)).toEqual({ fetchedBytes: 0, resumedBytes: 5000, verified: true });
    expect(asked).toEqual([]);
  });

  test("of other content is not taken", () => {
    expect(partPath(join(folder, "file"), "a")).not.toBe(partPath(join(folder, "file"), "b"));
  });
});

test("wrong bytes never get the name, and leave nothing", async () => {
  const bytes = bytesOf(4000);
  const { content, asked } = fake(bytes, { digest: digestOf(bytesOf(3)) });
  const target = join(folder, "file");
  expect(await codeOf(saveContent(content, target))).toBe("verification");
  expect(readdirSync(folder)).toEqual([]);
  expect(asked.length).toBe(2);
});

test("without a digest the length decides", async () => {
  const bytes = bytesOf(4000);
  const { content } = fake(bytes, { digest: undefined });
  const saved = await saveContent(content, join(folder, "file"));
  expect(saved.verified).toBe(false);
  expect(statSync(join(folder, "file")).size).toBe(4000);
});

test("a source that ends early without a word is an error", async () => {
  const bytes = bytesOf(4000);
  const { content } = fake(bytes);
  const short: Content = { ...content, fetch: (range, sink) => Promise.resolve(sink(range.start, bytes.slice(0, 10))) };
  expect(await codeOf(saveContent(short, join(folder, "file")))).toBe("misbehaved");
});

test("a time limit that ran out while bytes came is no end: it goes on with one request at a time", async () => {
  const bytes = bytesOf(9000);
  const { content, asked } = fake(bytes);
  let left = 3;
  const slow: Content = {
    ...content,
    fetch: async (range, sink, signal) => {
      const half = { start: range.start, end: range.start + (range.end - range.start) / 2 };
      await content.fetch(left > 0 ? half : range, sink, signal);
      left -= 1;
      if (left >= 0) throw new RiffleError("timeout", "it did not arrive within 1 s");
    },
  };
  const saved = await saveContent(slow, join(folder, "file"), { windowBytes: 1000, windows: 2 });
  expect(saved).toEqual({ fetchedBytes: 9000, resumedBytes: 0, verified: true });
  expect(Buffer.compare(readFileSync(join(folder, "file")), bytes)).toBe(0);
  expect(asked.slice(0, 4).map(({ start }) => start)).toEqual([0, 500, 1000, 1500]);
});

test("a time limit that ran out without a byte is the end", async () => {
  const { content } = fake(bytesOf(100));
  const silent: Content = { ...content, fetch: () => Promise.reject(new RiffleError("timeout", "nothing came")) };
  expect(await codeOf(saveContent(silent, join(folder, "file")))).toBe("timeout");
});

test("an abort stops the requests under way, and the rest is kept", async () => {
  const bytes = bytesOf(50_000);
  const stop = new AbortController();
  const target = join(folder, "file");
  const { content } = fake(bytes);
  let seen = 0;
  const onBytes = (count: number): void => {
    seen += count;
    if (seen >= 5000) stop.abort(new Error("enough"));
  };
  await expect(saveContent(content, target, { signal: stop.signal, onBytes, windowBytes: 2000 })).rejects.toThrow(
    "enough",
  );
  expect(statSync(partPath(target, content.id)).size).toBeGreaterThanOrEqual(5000);
  expect(existsSync(target)).toBe(false);
});

test("isSaved tells the content from what only looks like it", () => {
  const bytes = bytesOf(3000);
  const path = join(folder, "file");
  const content = { size: 3000, digest: digestOf(bytes) };
  expect(isSaved(path, content)).toBe(false);
  writeFileSync(path, bytes);
  expect(isSaved(path, content)).toBe(true);
  truncateSync(path, 2999);
  expect(isSaved(path, content)).toBe(false);
  writeFileSync(path, bytes.with(5, 255));
  expect(isSaved(path, content)).toBe(false);
});

test("the name of the rest is short enough for every name", () => {
  expect(partPath(`/x/${"n".repeat(255)}`, "id").length).toBeLessThan(80);
});

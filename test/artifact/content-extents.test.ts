import { expect, test } from "vitest";
import { ContentExtents } from "../../src/artifact/content-extents.ts";
import { ExtentTables } from "../../src/artifact/extent-tables.ts";
import { memorySource, type RangeSource } from "../../src/bytes/source.ts";
import type { CachedSource } from "../../src/fetch/cached-source.ts";
import type { ExtentTable } from "../../src/formats/extents.ts";
import { memoryEntry } from "../support/memory-entry.ts";
import { loggedSource, type LoggedSource } from "../support/logged-source.ts";

/** A classic TIFF of one strip of 100 bytes, in 50,000 bytes of file. */
function tiff(): Uint8Array {
  const bytes = new Uint8Array(50_000);
  const view = new DataView(bytes.buffer);
  bytes.set(Buffer.from("II*\0"));
  view.setUint32(4, 8, true);
  const entries = [
    [256, 10],
    [257, 10],
    [258, 8],
    [259, 1],
    [262, 1],
    [273, 40_000],
    [277, 1],
    [278, 10],
    [279, 100],
  ] as const;
  view.setUint16(8, entries.length, true);
  for (const [at, [tag, value]] of entries.entries()) {
    view.setUint16(10 + at * 12, tag, true);
    view.setUint16(12 + at * 12, 4, true);
    view.setUint32(14 + at * 12, 1, true);
    view.setUint32(18 + at * 12, value, true);
  }
  return bytes;
}

interface Bench {
  readonly extents: ContentExtents;
  readonly logged: LoggedSource;
  readonly used: ExtentTable[];
}

function bench(content: Uint8Array, source?: RangeSource): Bench {
  const logged = loggedSource(content, "sha256:tiff");
  const used: ExtentTable[] = [];
  const cached: CachedSource = {
    ...(source ?? logged),
    touched: () => undefined,
    release: () => undefined,
    useExtents: (table) => void used.push(table),
    close: () => Promise.resolve(),
  };
  const tables = new ExtentTables({ log: () => undefined });
  const entry = memoryEntry("sha256:tiff", content.length);
  return { extents: new ContentExtents({ source: cached, entry, tables }), logged, used };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));

test("a name that points at a format has the index read at once, and its units used", async () => {
  const { extents, logged, used } = bench(tiff());
  extents.named({ name: "scene.tif", mediaType: "application/octet-stream" });
  expect(logged.calls.length).toBe(1);
  await expect.poll(() => used.length, { timeout: 20_000 }).toBe(1);
  expect([used[0]?.starts[0], used[0]?.ends[0]]).toEqual([40_000, 40_100]);
  extents.named({ name: "scene.tif" });
  await settled();
  expect(used).toHaveLength(1);
});

test("without a hint nothing is read; a first read that shows the magic is a hint", async () => {
  const content = tiff();
  const { extents, logged, used } = bench(content);
  extents.named({ name: "scene", mediaType: "application/octet-stream" });
  extents.seen({ start: 4096, end: 8192 }, content.subarray(4096, 8192));
  await settled();
  expect(logged.calls).toEqual([]);
  extents.seen({ start: 0, end: 4096 }, content.subarray(0, 4096));
  await expect.poll(() => used.length, { timeout: 20_000 }).toBe(1);
});

test("other content under such a name has no units", async () => {
  const { extents, used } = bench(new Uint8Array(100_000).fill(65));
  extents.named({ name: "scene.tif" });
  await settled();
  expect(used).toEqual([]);
});

test("an index that cannot be read is nobody's failure, and nothing happens after close", async () => {
  const content = tiff();
  const failing: RangeSource = {
    ...memorySource("sha256:tiff", content),
    read: () => Promise.reject(new Error("the network is away")),
    readMany: () => Promise.reject(new Error("the network is away")),
  };
  const away = bench(content, failing);
  away.extents.named({ name: "scene.tif" });
  const closed = bench(content);
  closed.extents.named({ name: "scene.tif" });
  closed.extents.close();
  await settled();
  expect([away.used, closed.used]).toEqual([[], []]);
});

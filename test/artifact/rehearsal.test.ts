import { expect, test, vi } from "vitest";
import { rehearse } from "../../src/artifact/rehearsal.ts";
import { openCache } from "../../src/cache/open-cache.ts";

test("a rehearsal reads by the whole read path, writes what came, and leaves nothing", async () => {
  const cache = await openCache();
  const open = cache.open.bind(cache);
  let written = 0;
  vi.spyOn(cache, "open").mockImplementation((id, size) => {
    const entry = open(id, size);
    const write = entry.write.bind(entry);
    vi.spyOn(entry, "write").mockImplementation((offset, bytes, options) => {
      written += bytes.length;
      return write(offset, bytes, options);
    });
    return entry;
  });
  await rehearse(cache);
  // Fifteen reads of 16 KiB.
  expect(written).toBeGreaterThanOrEqual(15 * 16 * 1024);
  expect((await cache.status()).entries).toBe(0);
  await cache.close();
});

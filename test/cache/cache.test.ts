import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCache } from "../../src/cache/open-cache.ts";
import { cacheConformance } from "../conformance/cache.ts";

cacheConformance("in memory", async () => {
  const cache = await openCache();
  return { cache, close: () => cache.close() };
});

for (const [name, options] of Object.entries({
  "on disk": {},
  "on disk, in segments": { limitBytes: 128 * 1024, segmentBytes: 4 * 4096, freeSpace: { bytes: 0, ratio: 0 } },
  "on disk, with four descriptors": { maxOpenFiles: 4 },
  "on disk, without a boot id": { bootId: null },
})) {
  cacheConformance(name, async () => {
    const directory = await mkdtemp(join(tmpdir(), "riffle-cache-"));
    const cache = await openCache({ directory, ...options });
    return {
      cache,
      close: async () => {
        await cache.close();
        await rm(directory, { recursive: true, force: true });
      },
    };
  });
}

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CacheOptions } from "../../src/cache/cache.ts";
import { openChunkCache } from "../../src/cache/open-cache.ts";
import type { ChunkCache } from "../../src/cache/chunk-cache.ts";

export interface TemporaryCache {
  readonly directory: string;
  readonly lines: string[];
  /** One more cache over the same directory, as another process would have (or this one after a crash). */
  open(options?: CacheOptions): Promise<ChunkCache>;
  cleanUp(): Promise<void>;
}

/** A cache directory of a test's own. */
export function temporaryCache(defaults: CacheOptions = {}): TemporaryCache {
  const directory = mkdtempSync(join(tmpdir(), "riffle-cache-"));
  const opened: ChunkCache[] = [];
  const lines: string[] = [];
  return {
    directory,
    lines,
    async open(options = {}) {
      const cache = await openChunkCache({ directory, log: (line) => lines.push(line), ...defaults, ...options });
      opened.push(cache);
      return cache;
    },
    async cleanUp() {
      for (const cache of opened) await cache.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

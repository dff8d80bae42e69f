import { readFileSync } from "node:fs";
import type { Cache, CacheOptions } from "./cache.ts";
import { ChunkCache } from "./chunk-cache.ts";
import { prepareDirectory, type CachePlace } from "./directory.ts";
import { REAL_FILES } from "./files.ts";

const GIB = 1024 ** 3;
/** Without a disk all that is held; beside one, only what the disk does not take for a while. */
const MEMORY_ALONE_BYTES = 256 * 1024 ** 2;
const MEMORY_BESIDE_DISK_BYTES = 48 * 1024 ** 2;

/** Opens the cache. A directory that cannot be used is one line to `log` and a cache in memory, never an error. */
export async function openCache(options: CacheOptions = {}): Promise<Cache> {
  return openChunkCache(options);
}

/** The same, with what tests and commands want beyond the contract. */
export async function openChunkCache(options: CacheOptions = {}): Promise<ChunkCache> {
  const { files = REAL_FILES, log = () => undefined, directory } = options;
  let place: CachePlace | undefined;
  if (directory !== undefined) {
    try {
      place = await prepareDirectory(directory, { files });
      if (place.isPrivate) log(`cache: ${directory} is on a network file system; this process uses a part of its own`);
    } catch (error) {
      log(`${error instanceof Error ? error.message : String(error)}; going on without a disk cache`);
    }
  }
  return new ChunkCache({
    place,
    files,
    bootId: options.bootId === undefined ? readBootId() : (options.bootId ?? undefined),
    options: {
      ...options,
      log,
      limitBytes: options.limitBytes ?? 20 * GIB,
      memoryBytes: options.memoryBytes ?? (place === undefined ? MEMORY_ALONE_BYTES : MEMORY_BESIDE_DISK_BYTES),
      maxOpenFiles: options.maxOpenFiles ?? 512,
      freeSpace: options.freeSpace ?? { bytes: GIB, ratio: 0.05 },
      now: options.now ?? Date.now,
      idleMs: options.idleMs ?? 2000,
    },
  });
}

/** proc(5); undefined elsewhere than on Linux: then everything is checked again after each start. */
function readBootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
  } catch {
    return undefined;
  }
}

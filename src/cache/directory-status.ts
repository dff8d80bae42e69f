import { lstatSync } from "node:fs";
import { join } from "node:path";
import { evictUnits, surveyUnits } from "./budget.ts";
import type { CacheStatus } from "./cache.ts";
import { CACHE_FOLDERS, isTrusted } from "./trust.ts";

/** What lies in a cache directory, without opening it as a cache; a directory that is not there is an empty one. */
export async function cacheDirectoryStatus(
  directory: string,
  options: { readonly limitBytes: number },
): Promise<CacheStatus> {
  const root = trustedRoot(directory);
  const units = root === undefined ? [] : await surveyUnits(root);
  const bytes = units.reduce((sum, unit) => sum + unit.bytes, 0);
  return { directory, bytes, limit: options.limitBytes, entries: units.length };
}

/**
 * Evicts every content. Mounts that run go on: what they have open stays readable for them, and what they fetch next is kept
 * anew.
 */
export async function clearCacheDirectory(directory: string): Promise<{ readonly freedBytes: number }> {
  const root = trustedRoot(directory);
  if (root === undefined) return { freedBytes: 0 };
  return { freedBytes: await evictUnits(root, await surveyUnits(root)) };
}

/**
 * Evicts what was not used for `maxAgeMs`, then the least recently used until no more than `maxBytes` are left. What a mount
 * has open it keeps, as with `clearCacheDirectory`.
 */
export async function pruneCacheDirectory(
  directory: string,
  options: { readonly maxBytes?: number; readonly maxAgeMs?: number; readonly now: number },
): Promise<{ readonly freedBytes: number; readonly bytes: number }> {
  const root = trustedRoot(directory);
  if (root === undefined) return { freedBytes: 0, bytes: 0 };
  const { maxBytes = Infinity, maxAgeMs = Infinity, now } = options;
  const units = [...(await surveyUnits(root))].sort((a, b) => a.usedAtMs - b.usedAtMs);
  let bytes = units.reduce((sum, unit) => sum + unit.bytes, 0);
  const evict = units.filter((unit) => {
    if (bytes <= maxBytes && now - unit.usedAtMs <= maxAgeMs) return false;
    bytes -= unit.bytes;
    return true;
  });
  return { freedBytes: await evictUnits(root, evict), bytes };
}

/** Nothing is ever removed through a symbolic link, or from a directory that is not ours. */
export function trustedRoot(directory: string): string | undefined {
  const root = join(directory, "v1");
  const inside = CACHE_FOLDERS.map((name) => join(root, name));
  const isWhole = inside.every((path) => lstatSync(path, { throwIfNoEntry: false }) === undefined || isTrusted(path));
  return isTrusted(root) && isWhole ? root : undefined;
}

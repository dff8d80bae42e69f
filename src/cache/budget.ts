import { promises as fsp, type Dirent } from "node:fs";
import { join } from "node:path";
import { trashUnit } from "./unit-files.ts";

/** Evicting stops here, so that not every write evicts. */
const LOW_WATER = 0.9;
const BLOCK_BYTES = 512;
/** Deepest is `blobs/<algorithm>/<2>/<content>/<segment>`. */
const DEPTH_MAX = 5;

/** One unit on disk. */
export interface StoredUnit {
  readonly directory: string;
  /** Allocated, not apparent. */
  readonly bytes: number;
  /** When some process last said that it wants it. */
  readonly usedAtMs: number;
}

/** Every unit below `blobs`; what vanishes meanwhile is left out. */
export async function surveyUnits(root: string): Promise<readonly StoredUnit[]> {
  const units: StoredUnit[] = [];
  const walk = async (directory: string, depth: number): Promise<void> => {
    const entries = await fsp.readdir(directory, { withFileTypes: true }).catch((): Dirent[] => []);
    if (entries.some((entry) => entry.name === "extents" || entry.name === "data")) {
      const unit = await measure(directory);
      if (unit !== undefined) units.push(unit);
      return;
    }
    if (depth >= DEPTH_MAX) return;
    for (const entry of entries) if (entry.isDirectory()) await walk(join(directory, entry.name), depth + 1);
  };
  await walk(join(root, "blobs"), 0);
  return units;
}

async function measure(directory: string): Promise<StoredUnit | undefined> {
  const stat = (name: string): Promise<{ blocks: number; mtimeMs: number } | undefined> =>
    fsp.stat(join(directory, name)).catch(() => undefined);
  const [data, log, used] = await Promise.all([stat("data"), stat("extents"), stat("used")]);
  if (data === undefined && log === undefined) return undefined;
  return {
    directory,
    bytes: ((data?.blocks ?? 0) + (log?.blocks ?? 0)) * BLOCK_BYTES,
    usedAtMs: used?.mtimeMs ?? 0,
  };
}

/** Which units go so that `limit` holds again: least recently used first, never those in `keep`. Pure. */
export function planEviction(
  units: readonly StoredUnit[],
  options: { readonly limit: number; readonly keep: (directory: string) => boolean },
): { readonly evict: readonly StoredUnit[]; readonly bytesAfter: number } {
  let bytes = units.reduce((sum, unit) => sum + unit.bytes, 0);
  const evict: StoredUnit[] = [];
  if (bytes <= options.limit) return { evict, bytesAfter: bytes };
  for (const unit of [...units].sort((a, b) => a.usedAtMs - b.usedAtMs)) {
    if (bytes <= options.limit * LOW_WATER) break;
    if (options.keep(unit.directory)) continue;
    evict.push(unit);
    bytes -= unit.bytes;
  }
  return { evict, bytesAfter: bytes };
}

/** Removes units; returns the bytes they held. Who opened one meanwhile keeps what it has. */
export async function evictUnits(root: string, units: readonly StoredUnit[]): Promise<number> {
  let freed = 0;
  for (const unit of units) {
    await trashUnit({ directory: unit.directory, trash: join(root, "trash") });
    freed += unit.bytes;
  }
  return freed;
}

/** Unlinks what killed processes left behind. What is being built right now is young. */
export async function sweepTrash(root: string, now: number): Promise<void> {
  const trash = join(root, "trash");
  for (const name of await fsp.readdir(trash).catch((): string[] => [])) {
    const path = join(trash, name);
    const found = await fsp.stat(path).catch(() => undefined);
    if (found !== undefined && Math.abs(now - found.ctimeMs) > 60_000)
      await fsp.rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

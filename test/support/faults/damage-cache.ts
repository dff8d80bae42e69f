import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

/** Files of a cache by their name: `data` or `extents`. */
export function cacheFiles(directory: string, name: "data" | "extents"): readonly string[] {
  const blobs = join(directory, "v1/blobs");
  if (!existsSync(blobs)) return [];
  return readdirSync(blobs, { recursive: true, encoding: "utf8" })
    .filter((path) => basename(path) === name)
    .sort()
    .map((path) => join(blobs, path));
}

export function flipBit(path: string, at: number): void {
  const bytes = readFileSync(path);
  if (at >= bytes.length) return;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
  writeFileSync(path, bytes);
}

/** Damages a cache that nobody reads, in a way that can be known for damage at once, or does nothing: false. */
export function damageCache(directory: string, random: (below: number) => number): boolean {
  const kind = random(6);
  const paths = cacheFiles(directory, kind === 3 ? "data" : "extents");
  const path = paths[random(Math.max(1, paths.length))];
  if (kind > 4 || path === undefined) return false;
  const { length } = readFileSync(path);
  if (kind === 0) flipBit(path, random(Math.max(1, length)));
  else if (kind === 1) truncateSync(path, random(length + 1));
  else if (kind === 2) rmSync(path);
  else if (kind === 3) truncateSync(path, random(length + 1));
  else rmSync(directory, { recursive: true });
  return true;
}

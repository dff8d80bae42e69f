import { lstatSync, mkdirSync, statSync, type Stats } from "node:fs";
import { dirname } from "node:path";

/** The folders of a cache that are used by name: each must be a real one of ours. */
export const CACHE_FOLDERS = ["blobs", "derived", "trash"] as const;

const GROUP_OR_OTHERS_WRITE = 0o022;

function isOurs(found: Stats): boolean {
  return process.getuid === undefined || found.uid === process.getuid();
}

/** Root could do anything anyway. */
function isOursOrRoots(found: Stats): boolean {
  return isOurs(found) || found.uid === 0;
}

/**
 * Why the folder that a user named for the cache cannot be trusted. It may have any mode: whoever can write into it can put
 * nothing there that belongs to us. A symbolic link of the user's own is followed. Throws what the system throws.
 */
export function flawOfCacheRoot(directory: string): string | undefined {
  const found = lstatSync(directory);
  if (found.isSymbolicLink() && !isOursOrRoots(found)) return "is a symbolic link of another user";
  const target = statSync(directory);
  if (!target.isDirectory()) return "is not a directory";
  return isOursOrRoots(target) ? undefined : "belongs to another user";
}

/** Why a folder that only riffle makes cannot be trusted. Throws what the system throws. */
export function flawOfOwnFolder(directory: string): string | undefined {
  const found = lstatSync(directory);
  if (found.isSymbolicLink()) return "is a symbolic link";
  if (!found.isDirectory()) return "is not a directory";
  if (!isOurs(found)) return "belongs to another user";
  return (found.mode & GROUP_OR_OTHERS_WRITE) !== 0 ? "could be written by others" : undefined;
}

/** Whether there is a folder that may be used; what cannot be looked at may not. */
export function isTrusted(directory: string): boolean {
  try {
    return flawOfOwnFolder(directory) === undefined;
  } catch {
    return false;
  }
}

/** `directory` with mode 0700 where there is none; its parent is there. Gives what speaks against one that is there. */
export function makeOwnFolder(directory: string): string | undefined {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return flawOfOwnFolder(directory);
}

/** Whether no step from `root` down to the folder that holds `path` is anything but a folder of ours, as far as they are there. */
export function leadsInside(root: string, path: string): boolean {
  for (let at = dirname(path); at.length > root.length; at = dirname(at)) {
    const found = lstatSync(at, { throwIfNoEntry: false });
    if (found !== undefined && (!found.isDirectory() || !isOurs(found))) return false;
  }
  return true;
}

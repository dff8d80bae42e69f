import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { trustedRoot } from "./directory-status.ts";
import { hasOurLayout } from "./directory.ts";
import { isTrusted } from "./trust.ts";

/** Small documents that are kept beside the contents: manifests, and what a tag named when it was last asked for. */
export interface Documents {
  /** Undefined when there is none, or it cannot be read. Whoever asks checks what comes. */
  get(name: string): Uint8Array | undefined;
  /** Kept by the next `save`. */
  put(name: string, bytes: Uint8Array): void;
  /** Writes what was put; to be called once the cache is open. Never throws: what cannot be kept is not there the next time. */
  save(): void;
}

/** Manifests are kilobytes, a few are megabytes. */
const MOST_FILES = 4096;
const MOST_BYTES = 128 * 1024 * 1024;
const NAME = /^[a-z0-9-]{1,160}$/;

/** The documents of a cache directory, which is made ready by whoever opens the cache. */
export function openDocuments(directory: string): Documents {
  const waiting = new Map<string, Uint8Array>();
  const place = (): string | undefined => {
    const root = quietly(() => (hasOurLayout(directory) ? trustedRoot(directory) : undefined));
    const folder = root === undefined ? undefined : join(root, "derived", "documents");
    const isThere = folder !== undefined && lstatSync(folder, { throwIfNoEntry: false }) !== undefined;
    return isThere && !isTrusted(folder) ? undefined : folder;
  };
  return {
    get: (name) => {
      const folder = place();
      return folder === undefined || !NAME.test(name) ? undefined : quietly(() => readOwn(join(folder, name)));
    },
    put: (name, bytes) => {
      if (NAME.test(name) && bytes.length <= MOST_BYTES) waiting.set(name, bytes);
    },
    save: () => {
      const folder = place();
      if (folder === undefined || waiting.size === 0) return;
      quietly(() => {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const news = [...waiting].filter(([name, bytes]) => !isKept(join(folder, name), bytes));
        for (const [name, bytes] of news) write(folder, name, bytes);
        if (news.length > 0) makeRoom(folder);
      });
      waiting.clear();
    },
  };
}

/** Never through a symbolic link. */
function readOwn(path: string): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** Whether the very document is there; then it counts as used now. */
function isKept(path: string, bytes: Uint8Array): boolean {
  const kept = quietly(() => readOwn(path));
  if (kept === undefined || Buffer.compare(kept, bytes) !== 0) return false;
  const now = new Date();
  utimesSync(path, now, now);
  return true;
}

function write(folder: string, name: string, bytes: Uint8Array): void {
  const building = join(folder, `.new-${randomUUID()}`);
  writeFileSync(building, bytes, { mode: 0o600 });
  renameSync(building, join(folder, name));
}

/** The oldest go. What a killed process left unfinished is old one day, too. */
function makeRoom(folder: string): void {
  const files = readdirSync(folder).flatMap((name) => {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    return found === undefined ? [] : [{ path: join(folder, name), bytes: found.size, at: found.mtimeMs }];
  });
  let bytes = 0;
  for (const [i, file] of files.sort((a, b) => b.at - a.at).entries()) {
    bytes += file.bytes;
    if (i >= MOST_FILES || bytes > MOST_BYTES) rmSync(file.path, { force: true });
  }
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

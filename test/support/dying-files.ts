import { closeSync, existsSync, statSync, truncateSync, writeFileSync } from "node:fs";
import fs from "node:fs";
import { REAL_FILES, type CacheFiles } from "../../src/cache/files.ts";

export interface Death {
  /** Which write is the last one, counted from 0. */
  readonly write: number;
  /** How much of it reaches the file, as a part of its bytes: 0 nothing, 1 all. */
  readonly part: number;
}

export interface DyingFiles {
  readonly files: CacheFiles;
  /** Settles when the write of the death was made; nothing returns from then on. */
  readonly died: Promise<void>;
  readonly isDead: () => boolean;
  readonly writes: () => number;
  /**
   * What a power loss may do: data that was written and not synced is zeroed where `keeps` says no, logs lose the end that
   * was appended since the process began.
   */
  losePower(keeps: (chance: number) => boolean): void;
  /** Closes what the dead process would have had closed for it. */
  close(): void;
}

interface Written {
  readonly path: string;
  readonly position: number;
  readonly bytes: number;
}

const never = new Promise<never>(() => undefined);

/** Real files, up to a write in the middle of which the process ends. */
export function dyingFiles(death: Death | undefined): DyingFiles {
  const open = new Map<number, string>();
  let unsynced: Written[] = [];
  const appended = new Map<string, { readonly from: number }>();
  let writes = 0;
  let isDead = false;
  let die: () => void = () => undefined;
  const died = new Promise<void>((resolve) => (die = resolve));

  async function write(fd: number, bytes: Uint8Array, position: number | null): Promise<number> {
    if (isDead) return never;
    const isLast = death !== undefined && writes === death.write;
    writes += 1;
    const path = open.get(fd) ?? "";
    const length = isLast ? Math.floor(bytes.length * death.part) : bytes.length;
    if (isLast) isDead = true;
    if (position === null && !appended.has(path)) appended.set(path, { from: fs.fstatSync(fd).size });
    if (position !== null) unsynced.push({ path, position, bytes: length });
    const count = length === 0 ? 0 : await REAL_FILES.write(fd, bytes.subarray(0, length), position);
    if (!isLast) return count;
    die();
    return never;
  }

  const files: CacheFiles = {
    ...REAL_FILES,
    open: (path, flags, mode) => {
      const fd = REAL_FILES.open(path, flags, mode);
      open.set(fd, path);
      return fd;
    },
    close: (fd) => {
      open.delete(fd);
      REAL_FILES.close(fd);
    },
    write,
    read: (fd, target, position) => (isDead ? never : REAL_FILES.read(fd, target, position)),
    datasync: async (fd) => {
      if (isDead) await never;
      const path = open.get(fd);
      await REAL_FILES.datasync(fd);
      unsynced = unsynced.filter((one) => one.path !== path);
    },
  };
  return {
    files,
    died,
    isDead: () => isDead,
    writes: () => writes,
    losePower: (keeps) => {
      for (const { path, position, bytes } of unsynced) {
        if (keeps(0.5) || !existsSync(path)) continue;
        const fd = fs.openSync(path, "r+");
        fs.writeSync(fd, new Uint8Array(bytes), 0, bytes, position);
        fs.closeSync(fd);
      }
      for (const [path, { from }] of appended) {
        if (!existsSync(path) || keeps(0.5)) continue;
        const size = statSync(path).size;
        if (keeps(0.7)) truncateSync(path, from + Math.floor((size - from) / 2));
        else writeFileSync(path, new Uint8Array(0));
      }
    },
    close: () => {
      for (const fd of open.keys()) closeSync(fd);
      open.clear();
    },
  };
}

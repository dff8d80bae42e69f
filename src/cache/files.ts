import fs from "node:fs";

interface FileSystemFacts {
  /** The magic number of statfs(2). */
  readonly type: number;
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** The calls that move bytes, as a seam where tests put faults. Each may do less than asked, as the kernel may. */
export interface CacheFiles {
  open(path: string, flags: number, mode?: number): number;
  close(fd: number): void;
  readNow(fd: number, target: Uint8Array, position: number): number;
  read(fd: number, target: Uint8Array, position: number): Promise<number>;
  /** `position` null appends. */
  write(fd: number, bytes: Uint8Array, position: number | null): Promise<number>;
  datasync(fd: number): Promise<void>;
  facts(path: string): Promise<FileSystemFacts>;
}

export const REAL_FILES: CacheFiles = {
  open: (path, flags, mode) => fs.openSync(path, flags, mode),
  close: (fd) => fs.closeSync(fd),
  readNow: (fd, target, position) => fs.readSync(fd, target, 0, target.length, position),
  read: (fd, target, position) =>
    new Promise((resolve, reject) => {
      fs.read(fd, target, 0, target.length, position, (error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    }),
  write: (fd, bytes, position) =>
    new Promise((resolve, reject) => {
      fs.write(fd, bytes, 0, bytes.length, position, (error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    }),
  datasync: (fd) =>
    new Promise((resolve, reject) => {
      fs.fdatasync(fd, (error) => (error === null ? resolve() : reject(error)));
    }),
  facts: async (path) => {
    const found = await fs.promises.statfs(path);
    return {
      type: found.type,
      totalBytes: found.blocks * found.bsize,
      freeBytes: found.bavail * found.bsize,
    };
  },
};

export async function writeFully(
  files: CacheFiles,
  fd: number,
  at: { bytes: Uint8Array; position: number },
): Promise<void> {
  for (let done = 0; done < at.bytes.length;) {
    const count = await files.write(fd, at.bytes.subarray(done), at.position + done);
    if (count <= 0) throw new Error("the file takes no more bytes");
    done += count;
  }
}

/** False when the file ends before `target` is full. */
export async function readFully(
  files: CacheFiles,
  fd: number,
  at: { target: Uint8Array; position: number },
): Promise<boolean> {
  for (let done = 0; done < at.target.length;) {
    const count = await files.read(fd, at.target.subarray(done), at.position + done);
    if (count <= 0) return false;
    done += count;
  }
  return true;
}

export function readFullyNow(files: CacheFiles, fd: number, at: { target: Uint8Array; position: number }): boolean {
  for (let done = 0; done < at.target.length;) {
    const count = files.readNow(fd, at.target.subarray(done), at.position + done);
    if (count <= 0) return false;
    done += count;
  }
  return true;
}

export function errorCode(error: unknown): string {
  const code: unknown = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : "EUNKNOWN";
}

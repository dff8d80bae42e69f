import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { RiffleError } from "../errors.ts";
import type { LogLevel } from "./backend.ts";
import { ensurePrivateDirectory } from "./private-directory.ts";

export interface LogFileOptions {
  /** A file that is full is kept as `FILE.1`, older ones as `FILE.2` and so on. */
  readonly maxBytes?: number;
  /** Files in all. */
  readonly keep?: number;
  readonly now?: () => Date;
}

export interface LogFile {
  readonly path: string;
  /** One line with time and level. Never throws: a log that cannot be written must not end a mount. */
  readonly log: (level: LogLevel, message: string) => void;
  close(): void;
}

const MAX_BYTES = 5 * 1024 * 1024;
const KEEP = 3;
const MAX_MESSAGE = 4096;

/** Opens the log of one mount for appending, mode 0600, in a private directory. Throws `disk` or `permission`. */
export function openLogFile(path: string, options: LogFileOptions = {}): LogFile {
  const { maxBytes = MAX_BYTES, keep = KEEP, now = () => new Date() } = options;
  ensurePrivateDirectory(dirname(path));
  let fd: number | undefined = openForAppend(path);
  let size = fstatSync(fd).size;
  const rotate = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
    rmSync(`${path}.${keep - 1}`, { force: true });
    for (let number = keep - 2; number >= 0; number -= 1)
      renameIfThere(rotated(path, number), rotated(path, number + 1));
    fd = openForAppend(path);
    size = 0;
  };
  return {
    path,
    log: (level, message) => {
      const line = Buffer.from(`${now().toISOString()} ${level} ${oneLine(message)}\n`, "utf8");
      try {
        if (size > 0 && size + line.length > maxBytes) rotate();
        if (fd !== undefined) size += writeSync(fd, line);
      } catch {
        // A full disk costs log lines, nothing else.
      }
    },
    close: () => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

/** Removes the logs that no mount has written to for `maxAgeMs`: those of private mounts would pile up otherwise. */
export function pruneLogs(directory: string, options: { readonly maxAgeMs: number; readonly now?: Date }): void {
  const oldest = (options.now ?? new Date()).getTime() - options.maxAgeMs;
  try {
    for (const name of readdirSync(directory).filter((one) => /\.log(?:\.[0-9]+)?$/.test(one))) {
      const file = join(directory, name);
      const stat = lstatSync(file, { throwIfNoEntry: false });
      if (stat?.isFile() === true && stat.mtimeMs < oldest) rmSync(file, { force: true });
    }
  } catch {
    // No directory, no logs.
  }
}

function openForAppend(path: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags, 0o600);
  } catch (cause) {
    throw new RiffleError("disk", `cannot open log file ${basename(path)} in ${dirname(path)}`, { cause });
  }
}

function rotated(path: string, number: number): string {
  return number === 0 ? path : `${path}.${number}`;
}

function renameIfThere(from: string, to: string): void {
  if (lstatSync(from, { throwIfNoEntry: false }) !== undefined) renameSync(from, to);
}

/** Names from outside must not forge lines or move a terminal's cursor. */
function oneLine(message: string): string {
  return message.slice(0, MAX_MESSAGE).replace(/\p{Cc}+/gu, " ");
}

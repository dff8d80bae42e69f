import { appendFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolders } from "../cache/make-folders.ts";
import { asRiffleError, oneLine } from "./exit.ts";
import type { Notes } from "./output.ts";
import type { Settings } from "./settings.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Log = (level: LogLevel, message: string) => void;

export interface LogOptions {
  readonly notes: Notes;
  readonly settings: Pick<Settings, "quiet" | "verbose" | "logFile">;
  readonly now?: () => Date;
}

/** How many `-v` a level needs to be seen on stderr; errors end a command and are said by it. */
const NEEDED: Readonly<Record<LogLevel, number>> = { error: 0, warn: 0, info: 1, debug: 1 };
/** Files outlive the look at a terminal: each request of a mount of months is kept for those alone who insist. */
const NEEDED_FOR_REQUESTS_IN_FILE = 2;

/**
 * Lines to stderr as far as `-q` and `-v` let them, and to the log file, which requests enter with `-vv` alone. A log file that cannot be written is
 * one warning, never a failure.
 */
export function createLog({ notes, settings, now = () => new Date() }: LogOptions): Log {
  let file = settings.logFile;
  let isMade = false;
  const keep = (level: LogLevel, text: string): void => {
    if (file === undefined || (level === "debug" && settings.verbose < NEEDED_FOR_REQUESTS_IN_FILE)) return;
    try {
      if (!isMade) makeFolders(dirname(file));
      isMade = true;
      appendFileSync(file, `${now().toISOString()} ${level} ${text}\n`, { mode: 0o600 });
    } catch (error) {
      file = undefined;
      notes.write(`riffle: warning: no log is kept: ${oneLine(asRiffleError(error).message)}\n`);
    }
  };
  return (level, message) => {
    const text = oneLine(message);
    keep(level, text);
    const wanted = level === "error" || (!settings.quiet && settings.verbose >= NEEDED[level]);
    if (!wanted) return;
    notes.write(level === "warn" ? `riffle: warning: ${text}\n` : `riffle: ${text}\n`);
  };
}

import { isRiffleError, RiffleError, type ErrorCode } from "../errors.ts";

/** INTERFACE, "Exit codes". */
export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  usage: 2,
  "not-yet": 2,
  "not-found": 3,
  credentials: 4,
  policy: 5,
  verification: 6,
  malformed: 6,
  unsupported: 1,
  unreachable: 7,
  misbehaved: 7,
  timeout: 7,
  machine: 8,
  permission: 8,
  disk: 8,
  exists: 1,
  closed: 1,
  aborted: 130,
  internal: 1,
};

/** The way out where the error itself names none. */
const HINTS: Readonly<Record<ErrorCode, string>> = {
  usage: "see riffle --help",
  "not-yet": "this version has no such feature",
  "not-found": "check the name; riffle ls and riffle inspect show what there is",
  credentials: "riffle login HOST stores credentials; --username with --password-stdin gives them once",
  policy: "the policy in force forbids this",
  verification: "the bytes are not what their digest says; try another mirror or tell the publisher",
  malformed: "the publisher has to repair the artifact",
  unsupported: "riffle cat and riffle mount give its bytes to programs that can read it",
  unreachable: "check the host name, the network and the proxy settings; riffle doctor REF shows more",
  misbehaved: "riffle doctor REF shows what the registry can do; -vv shows the requests",
  timeout: "--timeout allows a longer wait",
  machine: "riffle doctor shows what this machine lacks",
  permission: "riffle doctor shows what this machine lacks",
  disk: "free some space, or choose another place with --cache-dir",
  exists: "remove it or choose another name",
  closed: "open it anew",
  aborted: "run it again to go on",
  internal: "this is a bug in riffle: please report it with the lines below",
};

const ERRNO_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  EISDIR: "exists",
  EEXIST: "exists",
  ENOTEMPTY: "exists",
  EACCES: "permission",
  EPERM: "permission",
  EROFS: "permission",
  ENOSPC: "disk",
  EDQUOT: "disk",
  EIO: "disk",
  EFBIG: "disk",
  EMFILE: "machine",
  ENFILE: "machine",
  ENOMEM: "machine",
  ENAMETOOLONG: "machine",
};

const ERRNO_WORDS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EEXIST: "exists already",
  ENOTEMPTY: "directory is not empty",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "read-only file system",
  ENOSPC: "no space left on the device",
  EDQUOT: "disk quota exceeded",
  EIO: "input/output error",
  EFBIG: "file too large for this file system",
  EMFILE: "too many open files",
  ENFILE: "too many open files in the system",
  ENOMEM: "out of memory",
  ENAMETOOLONG: "file name too long",
};

/** Whatever was thrown, as an error with a code: system calls by their errno, the rest as `internal`. */
export function asRiffleError(thrown: unknown): RiffleError {
  if (isRiffleError(thrown)) return thrown;
  if (thrown instanceof Error) {
    if (thrown.name === "AbortError") {
      const { cause } = thrown;
      return isRiffleError(cause) ? cause : new RiffleError("aborted", "interrupted", { cause: thrown });
    }
    // Node's system errors carry these beside Error's own fields.
    const { code, path, syscall } = thrown as NodeJS.ErrnoException;
    const known = code === undefined ? undefined : ERRNO_CODES[code];
    if (code !== undefined && known !== undefined && syscall !== undefined) {
      const subject = typeof path === "string" ? path : syscall;
      return new RiffleError(known, `${subject}: ${ERRNO_WORDS[code] ?? code}`, {
        ...(known === "not-found" && { hint: "check the path" }),
        facts: { errno: code, syscall },
        cause: thrown,
      });
    }
    return new RiffleError("internal", thrown.message === "" ? thrown.name : thrown.message, { cause: thrown });
  }
  return new RiffleError("internal", "something that is no error was thrown", { cause: thrown });
}

export function hintOf(error: RiffleError): string {
  return error.hint ?? HINTS[error.code];
}

/** One line whatever the text holds: control characters, line ends and marks of direction become spaces. */
export function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not reach a terminal
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
}

/** `riffle: CONTEXT: WHAT (HINT)`. */
export function errorLine(error: RiffleError, context: string): string {
  return oneLine(`riffle: ${context}: ${error.message} (${hintOf(error)})`);
}

/** INTERFACE: what `--json` adds on stdout. */
export function errorJson(error: RiffleError): string {
  const { code, message, facts } = error;
  return JSON.stringify({ error: { code, message, hint: hintOf(error), facts } });
}

/** A bug's trail, for the report; undefined where the error explains itself. */
export function bugTrail(error: RiffleError): string | undefined {
  if (error.code !== "internal") return undefined;
  return error.cause instanceof Error ? error.cause.stack : error.stack;
}

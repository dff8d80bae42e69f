import { constants } from "node:os";
import { isRiffleError, type ErrorCode } from "../errors.ts";

const { errno } = constants;

/**
 * What a program sees in place of bytes. A failed read is EIO whatever failed (INTERFACE 3.6), but for the few that a
 * program can act on.
 */
const ERRNO_BY_CODE: Readonly<Record<ErrorCode, number>> = {
  usage: errno.EINVAL,
  "not-yet": errno.EOPNOTSUPP,
  "not-found": errno.EIO,
  credentials: errno.EIO,
  policy: errno.EIO,
  verification: errno.EIO,
  malformed: errno.EIO,
  unsupported: errno.EIO,
  unreachable: errno.EIO,
  misbehaved: errno.EIO,
  timeout: errno.EIO,
  machine: errno.EIO,
  permission: errno.EIO,
  disk: errno.EIO,
  exists: errno.EIO,
  closed: errno.EIO,
  aborted: errno.EINTR,
  internal: errno.EIO,
};

/** A positive errno; what is not a RiffleError is a bug, and EIO. */
export function errnoOf(error: unknown): number {
  return isRiffleError(error) ? (ERRNO_BY_CODE[error.code] ?? errno.EIO) : errno.EIO;
}

/** The name of that errno, such as `EIO`. */
export function errnoNameOf(error: unknown): string {
  const code = errnoOf(error);
  return Object.entries(errno).find(([, value]) => value === code)?.[0] ?? String(code);
}

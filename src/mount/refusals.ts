import { constants } from "node:os";
import { OP } from "./protocol.ts";

const { errno } = constants;

/**
 * Requests that are refused whatever they hold. ENOSYS tells the kernel never to ask again and to do the usual by
 * itself: FLUSH, FSYNC (nothing to write), ACCESS (default_permissions), OPENDIR (listings are cached), LSEEK (a file
 * is all data), POLL (always ready), STATX (plain attributes), locks (local, none were negotiated).
 */
const REFUSED: ReadonlyMap<number, number> = new Map<number, number>([
  ...[OP.SETATTR, OP.SYMLINK, OP.MKNOD, OP.MKDIR, OP.UNLINK, OP.RMDIR, OP.RENAME, OP.RENAME2, OP.LINK].map(
    (op) => [op, errno.EROFS] as const,
  ),
  ...[OP.WRITE, OP.SETXATTR, OP.REMOVEXATTR, OP.CREATE, OP.TMPFILE, OP.FALLOCATE].map(
    (op) => [op, errno.EROFS] as const,
  ),
  ...[OP.COPY_FILE_RANGE, OP.COPY_FILE_RANGE_64].map((op) => [op, errno.EROFS] as const),
  [OP.IOCTL, errno.ENOTTY],
]);

/** The errno of what is not served: EROFS for changes, ENOSYS for what the kernel can do without us. */
export function refusal(opcode: number): number {
  return REFUSED.get(opcode) ?? errno.ENOSYS;
}

/** Requests that the kernel does not wait for; a reply to one is a protocol error. */
export function isWithoutReply(opcode: number): boolean {
  return opcode === OP.FORGET || opcode === OP.BATCH_FORGET || opcode === OP.NOTIFY_REPLY;
}

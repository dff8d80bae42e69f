import { randomUUID } from "node:crypto";
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { RiffleError } from "../errors.ts";
import type { TreeTable } from "./tree.ts";
import { bodyIsIntact, malformedTree } from "./tree-format.ts";
import { openTree } from "./tree-table.ts";

/** A table of thirty million rows; what is longer is not read into memory. */
const MOST_BYTES = 2 ** 31 - 4096;
const STEP_BYTES = 8 * 1024 * 1024;

/** Writes a table under `path` in one piece: whoever opens it finds all of it or nothing. Readable by this user alone. */
export function writeTreeFile(path: string, tree: TreeTable): void {
  const draft = `${path}.${randomUUID()}`;
  const bytes = new Uint8Array(tree.buffer);
  try {
    const descriptor = openSync(draft, "wx", 0o600);
    try {
      for (let at = 0; at < bytes.length;)
        at += writeSync(descriptor, bytes, at, Math.min(STEP_BYTES, bytes.length - at));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(draft, path);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw new RiffleError("disk", `cannot write the tree table ${path}`, { cause });
  }
}

/**
 * The table that `writeTreeFile` left under `path`, in shared memory: its checksums are checked, no entry of it is parsed.
 * Undefined when there is none; throws `malformed` for a file that is cut short or damaged, `permission` for one that others
 * may have written (a table of others is for `verifyTree`), `disk` for one that cannot be read.
 */
export function openTreeFile(path: string): TreeTable | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new RiffleError("disk", `cannot read the tree table ${path}`, { cause });
  }
  try {
    const buffer = readShared(descriptor, path);
    const tree = openTree(buffer);
    if (!bodyIsIntact(buffer)) throw malformedTree("damaged");
    return tree;
  } catch (cause) {
    if (cause instanceof RiffleError) throw cause;
    throw new RiffleError("disk", `cannot read the tree table ${path}`, { cause });
  } finally {
    closeSync(descriptor);
  }
}

function readShared(descriptor: number, path: string): SharedArrayBuffer {
  const { size, uid, mode } = fstatSync(descriptor);
  if ((process.getuid !== undefined && uid !== process.getuid()) || (mode & 0o022) !== 0)
    throw new RiffleError("permission", `the tree table ${path} may have been written by another user`);
  if (size > MOST_BYTES) throw malformedTree("too large");
  const buffer = new SharedArrayBuffer(size);
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < size;) {
    const got = readSync(descriptor, bytes, at, Math.min(STEP_BYTES, size - at), at);
    if (got === 0) throw malformedTree("cut short");
    at += got;
  }
  return buffer;
}

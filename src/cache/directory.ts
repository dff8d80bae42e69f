import { randomBytes } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { isDigest } from "../bytes/digest.ts";
import { RiffleError } from "../errors.ts";
import { errorCode, type CacheFiles } from "./files.ts";
import { makeFolders } from "./make-folders.ts";
import { CACHE_FOLDERS, flawOfCacheRoot, makeOwnFolder } from "./trust.ts";

const LAYOUT_VERSION = "1";

/** https://bford.info/cachedir/ */
const CACHEDIR_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag created by riffle.
# For information about cache directory tags see https://bford.info/cachedir/
`;

/** statfs(2) types of file systems where appends and the boot id promise nothing. */
const NETWORK_TYPES: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xfe534d42, // SMB2
  0xff534d42, // CIFS
  0x65735546, // FUSE: sshfs, s3fs and the like cannot be told from local ones
  0x5346414f, // AFS
  0x73757245, // Coda
  0x01021997, // 9P
  0x00c36400, // Ceph
  0x0bd00bd0, // Lustre
  0x47504653, // GPFS
]);

export interface CachePlace {
  /** Where `blobs`, `derived` and `trash` lie. */
  readonly root: string;
  /** Of this process alone; removed at the end. */
  readonly isPrivate: boolean;
}

/**
 * Makes `directory` ready, or throws `disk` or `permission` with the reason why it cannot be trusted or used.
 * Everything lies in `v1`, which must be ours, of mode 0700, and no symbolic link; so must be the folders in it.
 */
export async function prepareDirectory(
  directory: string,
  options: { readonly files: CacheFiles },
): Promise<CachePlace> {
  const v1 = join(directory, "v1");
  try {
    makeFolders(directory);
    refuse(directory, flawOfCacheRoot(directory));
    writeOnce(join(directory, "CACHEDIR.TAG"), CACHEDIR_TAG);
    refuse(v1, makeOwnFolder(v1));
    if ((lstatSync(v1).mode & 0o777) !== 0o700) chmodSync(v1, 0o700);
    checkVersion(v1);
    const network = NETWORK_TYPES.has((await options.files.facts(v1)).type >>> 0);
    const root = network ? privateRoot(v1) : v1;
    for (const name of CACHE_FOLDERS) refuse(join(root, name), makeOwnFolder(join(root, name)));
    return { root, isPrivate: network };
  } catch (error) {
    if (error instanceof RiffleError) throw error;
    throw new RiffleError("disk", `cache directory ${directory} cannot be used: ${errorCode(error)}`, { cause: error });
  }
}

function refuse(directory: string, flaw: string | undefined): void {
  if (flaw === undefined) return;
  throw new RiffleError("permission", `cache directory ${directory} ${flaw}`, {
    hint: "name another with --cache-dir",
  });
}

/** Whether a cache directory is there that this version wrote. Throws what reading it throws. */
export function hasOurLayout(directory: string): boolean {
  return readVersion(join(directory, "v1")) === LAYOUT_VERSION;
}

function readVersion(v1: string): string | undefined {
  const path = join(v1, "VERSION");
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  return found.isFile() ? readFileSync(path, "utf8").slice(0, 32).trim() : "of a strange kind";
}

function checkVersion(v1: string): void {
  writeOnce(join(v1, "VERSION"), `${LAYOUT_VERSION}\n`, 0o600);
  const text = readVersion(v1);
  // Another process may have made the file, and not yet written it.
  if (text !== LAYOUT_VERSION && text !== "")
    throw new RiffleError("disk", `cache directory ${v1} was written by another version of riffle (layout ${text})`, {
      hint: "name another with --cache-dir",
    });
}

/** Leaves what is there alone, links too. */
function writeOnce(path: string, text: string, mode?: number): void {
  try {
    writeFileSync(path, text, { flag: "wx", ...(mode === undefined ? {} : { mode }) });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

/** `private/<host>-<pid>-<random>`; those of dead processes of this host are removed. */
function privateRoot(v1: string): string {
  const parent = join(v1, "private");
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const host = hostname().replace(/[^A-Za-z0-9.]/g, "_");
  for (const name of readdirSync(parent)) {
    const [, pid] = name.startsWith(`${host}-`) ? (/-(\d+)-[0-9a-f]+$/.exec(name) ?? []) : [];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(parent, name), { recursive: true, force: true });
  }
  const own = join(parent, `${host}-${process.pid}-${randomBytes(4).toString("hex")}`);
  mkdirSync(own, { mode: 0o700 });
  return own;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/**
 * `blobs/<algorithm>/<2>/<hex>`, with what stands behind the digest in the id (a decoding) kept in the last name.
 * Undefined for an id that is no digest: such a content has no place on disk.
 */
export function contentDirectory(root: string, id: string): string | undefined {
  const parts = /^([a-z0-9]{1,16}):([0-9a-f]{1,128})(\+[!-}]{1,63})?$/.exec(id);
  const [, algorithm = "", hex = "", decoding = ""] = parts ?? [];
  if (!isDigest(`${algorithm}:${hex}`)) return undefined;
  return join(root, "blobs", algorithm, hex.slice(0, 2), hex + encodeURIComponent(decoding).replaceAll("%2B", "+"));
}

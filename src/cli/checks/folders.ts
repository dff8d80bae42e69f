import { accessSync, constants, lstatSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import { CACHE_FOLDERS, flawOfCacheRoot, flawOfOwnFolder } from "../../cache/trust.ts";
import { formatBytes } from "../quantities.ts";
import { fail, ok, warn, type Check } from "./check.ts";

/** `f_type` of file systems that other machines write to as well (statfs(2)). */
const NETWORK_TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x517b, "SMB"],
  [0x65735546, "FUSE"],
  [0x01021997, "9P"],
  [0x0bd00bd0, "Lustre"],
  [0x00c36400, "Ceph"],
]);

const LITTLE_BYTES = 1024 ** 3;

/** The nearest folder above that is there. */
function nearest(path: string): string {
  let at = path;
  while (lstatSync(at, { throwIfNoEntry: false }) === undefined && at !== dirname(at)) at = dirname(at);
  return at;
}

function writable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What a mount would say of the cache's folders before it does without them. */
function flawedFolder(directory: string): string | undefined {
  const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (!isThere(directory)) return undefined;
  const flaw = flawOfCacheRoot(directory);
  if (flaw !== undefined) return `${directory} ${flaw}`;
  for (const path of [join(directory, "v1"), ...CACHE_FOLDERS.map((folder) => join(directory, "v1", folder))]) {
    const own = isThere(path) ? flawOfOwnFolder(path) : undefined;
    if (own !== undefined) return `${path} ${own}`;
  }
  return undefined;
}

/** Makes nothing: a folder that is missing is judged by the one that it would be made in. */
export function cacheCheck(directory: string): Check {
  const name = "cache";
  const base = nearest(directory);
  const choose = "choose another place with --cache-dir";
  if (!writable(base)) return warn(name, `${directory} cannot be written: nothing is kept on disk`, choose);
  const flawed = flawedFolder(directory);
  if (flawed !== undefined) return warn(name, `${flawed}: nothing is kept on disk`, `remove it, or ${choose}`);
  const { type, bavail, bsize } = statfsSync(base);
  const free = bavail * bsize;
  const network = NETWORK_TYPES.get(type);
  if (network !== undefined)
    return warn(name, `${directory} is on ${network}, where processes cannot share it`, choose);
  if (free < LITTLE_BYTES)
    return warn(name, `${directory} has only ${formatBytes(free)} free`, `free some space, or ${choose}`);
  return ok(name, `${directory}, ${formatBytes(free)} free`);
}

/** State and sockets must be private: others could put a daemon's socket of their own there. */
export function stateCheck(name: string, directory: string): Check {
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  const uid = process.getuid?.() ?? 0;
  if (stat === undefined) {
    if (writable(nearest(directory))) return ok(name, `${directory} (made when needed)`);
    return fail(name, `${directory} cannot be made`, "set XDG_STATE_HOME and XDG_RUNTIME_DIR to folders of yours");
  }
  if (!stat.isDirectory() || stat.uid !== uid) return fail(name, `${directory} is not yours`, "move it away");
  if (!writable(directory)) return fail(name, `${directory} cannot be written`, `chmod 700 ${directory}`);
  return ok(name, directory);
}

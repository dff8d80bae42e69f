import { RiffleError } from "../errors.ts";
import { abortConnection } from "./fuse-abort.ts";
import { mountAt, readMounts, type MountEntry } from "./proc-mounts.ts";
import { runProgram } from "./program.ts";

/** One mount of ours: a path can carry several over time, its device number tells them apart. */
export interface AttachedMount {
  readonly mountpoint: string;
  readonly device: string;
}

/**
 * - `plain`: fails when a program has something open; `lazy`: out of the tree, programs go on
 * - `force`: every request fails from now on, then lazy
 */
export type DetachHow = "plain" | "lazy" | "force";

export function isAttached(mount: AttachedMount, mounts: readonly MountEntry[] = readMounts()): boolean {
  return mounts.some((entry) => entry.device === mount.device && entry.mountpoint === mount.mountpoint);
}

/**
 * Takes a mount out of the tree, whoever serves it. True once it is out (or was); false when it is busy. Rejects with
 * `exists` when something else is mounted over it.
 */
export async function detach(mount: AttachedMount, options: { how: DetachHow; uid: number }): Promise<boolean> {
  const { how, uid } = options;
  const isCut = how !== "force" || (await abortConnection(mount.device));
  if (!isAttached(mount)) return true;
  if (!isCut && uid === 0) await runProgram(["umount", "-i", "-c", "-f", "--", mount.mountpoint]);
  const seen = mountAt(mount.mountpoint);
  if (seen?.device !== mount.device) {
    throw new RiffleError("exists", `${mount.mountpoint} has another mount over it`, {
      hint: `umount ${mount.mountpoint}`,
    });
  }
  const lazy = how !== "plain";
  await (uid === 0
    ? runProgram(["umount", "-i", "-c", ...(lazy ? ["-l"] : []), "--", mount.mountpoint])
    : runProgram(["fusermount3", "-u", ...(lazy ? ["-z"] : []), "--", mount.mountpoint]));
  return !isAttached(mount);
}

import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { MOUNT_TYPE, readMounts, type MountEntry } from "./proc-mounts.ts";

/** A riffle mount in this process's mount namespace, as the kernel lists it: nothing here touches the mount itself. */
export interface RiffleMount {
  /** `major:minor`. */
  readonly device: string;
  readonly mountpoint: string;
  /** The pinned reference that the mount was made from. */
  readonly source: string;
  /** The user whose process serves it. */
  readonly uid: number;
}

/** In the order of mounting. */
export function riffleMounts(mounts: readonly MountEntry[] = readMounts()): readonly RiffleMount[] {
  return mounts
    .filter((entry) => entry.type === MOUNT_TYPE)
    .map(({ device, mountpoint, source, options }) => {
      const uid = options.find((option) => option.startsWith("user_id="))?.slice("user_id=".length);
      return { device, mountpoint, source, uid: Number(uid ?? 0) };
    });
}

/** The mount that a program sees at this path: the last one made there. */
export function riffleMountAt(mountpoint: string, mounts: readonly RiffleMount[]): RiffleMount | undefined {
  return mounts.findLast((mount) => mount.mountpoint === mountpoint);
}

/**
 * Whether some process that may serve `device` holds `/dev/fuse` open. Kernels that name the connection in
 * `/proc/<pid>/fdinfo` make it exact; with others every holder counts, so that a live mount is never called dead.
 */
export function isServed(device: string): boolean {
  const connection = device.split(":")[1] ?? "";
  return numericEntries("/proc").some((pid) => {
    const directory = `/proc/${pid}/fd`;
    return numericEntries(directory).some((fd) => {
      try {
        if (readlinkSync(`${directory}/${fd}`) !== "/dev/fuse") return false;
        const served = /^fuse_connection:\s*([0-9]+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))?.[1];
        return served === undefined || served === connection;
      } catch {
        return false;
      }
    });
  });
}

/** Processes whose working directory or an open file lies below `mountpoint`. Reads links alone. */
export function mountUsers(mountpoint: string, limit = 5): readonly number[] {
  const below = (link: string): boolean => {
    try {
      const target = readlinkSync(link);
      return target === mountpoint || target.startsWith(`${mountpoint}/`);
    } catch {
      return false;
    }
  };
  const users: number[] = [];
  for (const pid of numericEntries("/proc")) {
    const uses =
      below(`/proc/${pid}/cwd`) ||
      below(`/proc/${pid}/root`) ||
      numericEntries(`/proc/${pid}/fd`).some((fd) => below(`/proc/${pid}/fd/${fd}`));
    if (uses) users.push(Number(pid));
    if (users.length >= limit) break;
  }
  return users;
}

function numericEntries(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => /^[0-9]+$/.test(name));
  } catch {
    return [];
  }
}

import { readFileSync } from "node:fs";

/** The file system type that every mount of ours shows, whichever backend serves it. */
export const MOUNT_TYPE = "fuse.riffle";

export interface MountEntry {
  /** `major:minor` of the file system; for FUSE the minor names its connection in fusectl. */
  readonly device: string;
  readonly mountpoint: string;
  /** As `/proc/mounts` shows it: `fuse.riffle`. */
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/**
 * Undoes the octal escapes of mount tables (proc(5): space, tab, newline, backslash; newer kernels also `#`). The
 * bytes that result are read as UTF-8.
 */
export function unescapeOctal(text: string): string {
  if (!text.includes("\\")) return text;
  const bytes = Buffer.from(text, "utf8");
  const plain = Buffer.alloc(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const octal = bytes[at] === 0x5c ? /^[0-3][0-7]{2}$/.exec(bytes.toString("latin1", at + 1, at + 4)) : null;
    plain[length] = octal === null ? (bytes[at] ?? 0) : Number.parseInt(octal[0], 8);
    length += 1;
    if (octal !== null) at += 3;
  }
  return plain.toString("utf8", 0, length);
}

/**
 * One line a mount, in the order of mounting; where mounts are stacked, the last is the one that is seen. Format:
 * proc(5), "/proc/pid/mountinfo": fixed fields, optional ones up to a lone `-`, then type, source and options.
 */
export function parseMountInfo(text: string): readonly MountEntry[] {
  return text.split("\n").flatMap((line): MountEntry[] => {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const [, , device, , mountpoint, options] = fields;
    const [type, source, superOptions] = dash === -1 ? [] : fields.slice(dash + 1);
    if (device === undefined || mountpoint === undefined || type === undefined || source === undefined) return [];
    return [
      {
        device,
        mountpoint: unescapeOctal(mountpoint),
        type: unescapeOctal(type),
        source: unescapeOctal(source),
        options: [...(options ?? "").split(","), ...(superOptions ?? "").split(",")].filter((option) => option !== ""),
      },
    ];
  });
}

/** What this process's mount namespace holds; touches no mounted file system. Empty where there is no `/proc`. */
export function readMounts(file = "/proc/self/mountinfo"): readonly MountEntry[] {
  try {
    return parseMountInfo(readFileSync(file, "utf8"));
  } catch {
    return [];
  }
}

/** The mount that is seen at exactly `path` (absolute, no symlinks, no trailing slash). */
export function mountAt(path: string, mounts: readonly MountEntry[] = readMounts()): MountEntry | undefined {
  return mounts.findLast((entry) => entry.mountpoint === path);
}

/** True where `path` lies at or below a mount of ours: nobody who serves mounts may touch it. */
export function isUnderRiffle(path: string, mounts: readonly MountEntry[] = readMounts()): boolean {
  return mounts.some(
    (entry) =>
      entry.type === MOUNT_TYPE &&
      (path === entry.mountpoint || path.startsWith(`${entry.mountpoint.replace(/\/$/, "")}/`)),
  );
}

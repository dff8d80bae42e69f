import { lstatSync, readlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { isRiffleError, RiffleError } from "../errors.ts";
import { MOUNT_TYPE, mountAt, readMounts, type MountEntry } from "./proc-mounts.ts";

/**
 * What the machine, and riffle itself, cannot do without: covering one, nothing could be mounted, seen or unmounted any more.
 */
const SYSTEM_PLACES: ReadonlySet<string> = new Set(["/", "/proc", "/sys", "/dev"]);

/** Linux's limit of symbolic links in one path. */
const LINKS_MAX = 40;

/**
 * The directory that `path` names, without symbolic links. Looks at nothing at or below a mount of ours, which might hang.
 * Throws `not-found`, `permission`, `usage` (not a directory), `exists` (already a riffle mount).
 */
export function resolveMountpoint(path: string, mounts: readonly MountEntry[] = readMounts()): string {
  let rest = resolve(path)
    .split("/")
    .filter((part) => part !== "");
  let at = "/";
  let links = 0;
  while (rest.length > 0) {
    const next = join(at, rest[0] ?? "");
    rest = rest.slice(1);
    refuseRiffle(path, next, mounts);
    const entry = look(path, next);
    if (entry === "directory") at = next;
    else if (entry === "other") throw notDirectory(path);
    else {
      links += 1;
      if (links > LINKS_MAX) throw new RiffleError("usage", `mountpoint ${path} has too many symbolic links`);
      rest = [
        ...resolve(at, entry.link)
          .split("/")
          .filter((part) => part !== ""),
        ...rest,
      ];
      at = "/";
    }
  }
  if (SYSTEM_PLACES.has(at) || at.startsWith("/proc/")) {
    throw new RiffleError("usage", `${at} cannot be a mountpoint: the system lives by it`, {
      hint: "mount on a directory of your own",
    });
  }
  return at;
}

function refuseRiffle(path: string, at: string, mounts: readonly MountEntry[]): void {
  const mount = mountAt(at, mounts);
  if (mount?.type !== MOUNT_TYPE) return;
  throw new RiffleError(
    "exists",
    `${path} ${path === mount.mountpoint ? "is already" : "lies in"} a mount of ${mount.source}`,
    {
      hint: `riffle unmount ${at}`,
      facts: { mountpoint: at, source: mount.source },
    },
  );
}

function look(path: string, at: string): "directory" | "other" | { readonly link: string } {
  try {
    const stat = lstatSync(at);
    if (stat.isSymbolicLink()) {
      if (!isTrustedLink(stat.uid)) throw foreignLink(path, at);
      return { link: readlinkSync(at) };
    }
    return stat.isDirectory() ? "directory" : "other";
  } catch (error) {
    throw isRiffleError(error) ? error : mountpointError(path, error);
  }
}

/** The kernel's rule for links in shared folders does not see us: we walk by hand. */
function isTrustedLink(owner: number): boolean {
  return owner === 0 || owner === (process.getuid?.() ?? owner);
}

function foreignLink(path: string, at: string): RiffleError {
  return new RiffleError("permission", `mountpoint ${path} leads over ${at}, a symbolic link of another user`, {
    hint: "name the directory itself",
  });
}

function mountpointError(path: string, cause: unknown): RiffleError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  switch (code) {
    case "ENOENT":
      return new RiffleError("not-found", `mountpoint ${path} does not exist`, { hint: `mkdir -p ${path}`, cause });
    case "ENOTDIR":
      return notDirectory(path, cause);
    case "EACCES":
    case "EPERM":
      return new RiffleError("permission", `mountpoint ${path} may not be looked at by this user`, { cause });
    case "ENOTCONN":
      return new RiffleError("exists", `mountpoint ${path} is a dead mount`, { hint: `fusermount3 -u ${path}`, cause });
    default:
      return new RiffleError("machine", `mountpoint ${path} cannot be used (${String(code)})`, { cause });
  }
}

function notDirectory(path: string, cause?: unknown): RiffleError {
  return new RiffleError("usage", `mountpoint ${path} is not a directory`, { hint: "name a directory", cause });
}

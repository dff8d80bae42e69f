import { lstatSync, readlinkSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { RiffleMount } from "./riffle-mounts.ts";

const MAX_LINKS = 40;

/**
 * The riffle mountpoint that a path given by a person means, symbolic links in it followed. Looks at no path at or below
 * a riffle mountpoint (one that hangs would hang us): the walk ends there. Undefined when no mountpoint is met.
 */
export function findMountpoint(path: string, mounts: readonly RiffleMount[]): string | undefined {
  const mountpoints = new Set(mounts.map((mount) => mount.mountpoint));
  let rest = resolve(path).split("/").filter(Boolean);
  let here = "/";
  let links = 0;
  while (rest.length > 0) {
    const [name = "", ...others] = rest;
    here = join(here, name);
    rest = others;
    // What lies below a mountpoint is not the mountpoint.
    if (mountpoints.has(here)) return rest.length === 0 ? here : undefined;
    const target = linkTarget(here);
    if (target === undefined) continue;
    links += 1;
    if (links > MAX_LINKS) return undefined;
    const to = isAbsolute(target) ? target : join(dirname(here), target);
    rest = [...to.split("/").filter(Boolean), ...rest];
    here = "/";
  }
  return undefined;
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

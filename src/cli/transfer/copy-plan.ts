import { basename, join } from "node:path";
import type { Entry } from "../../artifact/artifact.ts";
import { RiffleError } from "../../errors.ts";
import { isBelow } from "../tree-path.ts";

/** One thing to make. Targets are paths of the local file system. */
export interface CopyStep {
  readonly entry: Entry;
  readonly target: string;
}

export interface CopyPlan {
  /** Parents before children. */
  readonly directories: readonly CopyStep[];
  readonly files: readonly CopyStep[];
  readonly links: readonly CopyStep[];
  readonly bytes: number;
}

export interface Destination {
  readonly path: string;
  readonly kind: "directory" | "other" | "absent";
  /** It was written with a slash at its end, which says that a directory is meant. */
  readonly slash: boolean;
}

/**
 * As `cp -r` decides: into a directory that is there, else under the name given; the root of the tree (`.`) gives its
 * contents. Throws `usage` when several things are to get one name, and when two of them would get the same target.
 */
export function planCopy(
  sources: readonly { readonly entry: Entry; readonly below: readonly Entry[] }[],
  destination: Destination,
): CopyPlan {
  const into = destination.kind === "directory" || destination.slash;
  if (sources.length > 1 && !into) {
    throw new RiffleError("usage", `several paths cannot be copied to "${destination.path}": it is no directory`, {
      hint: "name a directory, with a slash at its end when it is to be made",
    });
  }
  const targets = new Map<string, CopyStep>();
  const add = (entry: Entry, target: string): void => {
    const other = targets.get(target);
    if (other !== undefined && (other.entry.type !== "directory" || entry.type !== "directory")) {
      throw new RiffleError("usage", `"${other.entry.path}" and "${entry.path}" would both become ${target}`);
    }
    targets.set(target, { entry, target });
  };
  for (const { entry, below } of sources) {
    const contents = entry.path === "";
    const own = contents || !into ? destination.path : join(destination.path, basename(entry.path));
    if (entry.type === "directory" && destination.kind === "other") {
      throw new RiffleError("exists", `${destination.path} is no directory`, { facts: { path: destination.path } });
    }
    add(entry, own);
    const prefix = contents ? 0 : entry.path.length + 1;
    for (const member of below) {
      if (isBelow(member.path, entry.path) !== "no") add(member, join(own, member.path.slice(prefix)));
    }
  }
  const steps = [...targets.values()];
  const files = steps.filter(({ entry }) => entry.type === "file");
  return {
    directories: steps.filter(({ entry }) => entry.type === "directory"),
    files,
    links: steps.filter(({ entry }) => entry.type === "symlink"),
    bytes: files.reduce((sum, { entry }) => sum + entry.size, 0),
  };
}

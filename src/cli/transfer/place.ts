import { chmodSync, lstatSync, lutimesSync, readlinkSync, statSync, symlinkSync, utimesSync } from "node:fs";
import type { Stats } from "node:fs";
import { makeFolders } from "../../cache/make-folders.ts";
import { RiffleError } from "../../errors.ts";
import { isSaved, type Content } from "./save.ts";

export function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function inTheWay(path: string, why: string): RiffleError {
  return new RiffleError("exists", `${path} ${why}`, {
    hint: "--force replaces files; or remove it, or choose another destination",
    facts: { path },
  });
}

/**
 * Makes a directory that the user can write in, whatever its mode will be. Throws `exists`: also for a symbolic link,
 * unless it is the one place that the user named, so that nothing lands where an earlier copy's link points.
 */
export function placeDirectory(path: string, options: { readonly mayBeLink: boolean }): void {
  const stat = statOf(path);
  if (stat === undefined) makeFolders(path);
  else if (
    !stat.isDirectory() &&
    !(options.mayBeLink && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
  )
    throw inTheWay(path, "is there and is no directory");
}

/**
 * Whether a file has to be fetched: not when the same one lies there. Throws `exists` when something else does and
 * may not be replaced; a directory never is.
 */
export function mustFetch(
  path: string,
  content: Pick<Content, "size" | "digest">,
  options: { readonly force: boolean; readonly mtime: number },
): boolean {
  const stat = statOf(path);
  if (stat === undefined) return true;
  if (stat.isDirectory()) throw inTheWay(path, "is a directory");
  if (stat.isFile() && isSaved(path, content)) return false;
  const unproven = content.digest === undefined && stat.isFile() && stat.size === content.size;
  if (unproven && Math.trunc(stat.mtimeMs / 1000) === Math.trunc(options.mtime)) return false;
  if (!options.force) throw inTheWay(path, "is there and differs");
  return true;
}

/** Permission bits and time of a file or directory that was just made. A directory stays writable for its owner. */
export function dress(
  path: string,
  as: { readonly mode: number; readonly mtime: number; readonly directory: boolean },
): void {
  chmodSync(path, as.directory ? (as.mode & 0o777) | 0o700 : as.mode & 0o777);
  utimesSync(path, as.mtime, as.mtime);
}

/** Throws `exists` when another thing has the name. */
export function placeLink(path: string, target: string, mtime: number): void {
  const stat = statOf(path);
  if (stat === undefined) {
    symlinkSync(target, path);
    lutimesSync(path, mtime, mtime);
  } else if (!stat.isSymbolicLink() || readlinkSync(path) !== target) throw inTheWay(path, "is there and differs");
}

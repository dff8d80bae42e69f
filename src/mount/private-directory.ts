import { lstatSync } from "node:fs";
import { makeFolders } from "../cache/make-folders.ts";
import { RiffleError } from "../errors.ts";

/**
 * Makes `directory` if it is missing, and refuses one that others could have written into: it must be a real directory
 * of this user with mode 0700. Throws `permission`, or `disk` when it cannot be made.
 */
export function ensurePrivateDirectory(directory: string): void {
  try {
    makeFolders(directory, { mode: 0o700 });
  } catch (cause) {
    throw new RiffleError("disk", `cannot make the state directory ${directory}`, { cause });
  }
  checkPrivateDirectory(directory);
}

/** False when there is none; throws `permission` when there is one that must not be trusted. */
export function checkPrivateDirectory(directory: string): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  const uid = process.getuid?.() ?? 0;
  const flaw = !stat.isDirectory()
    ? "is not a directory"
    : stat.uid !== uid
      ? `belongs to user ${stat.uid}`
      : (stat.mode & 0o077) !== 0
        ? `is open to others (mode ${(stat.mode & 0o777).toString(8)})`
        : undefined;
  if (flaw === undefined) return true;
  throw new RiffleError("permission", `state directory ${directory} ${flaw}`, {
    hint: "it must be yours with mode 0700; move it away and try again",
  });
}

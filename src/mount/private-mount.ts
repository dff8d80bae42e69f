import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { RiffleError } from "../errors.ts";

const PREFIX = "riffle-run-";

/** Makes an empty directory of mode 0700 for one mount that nobody else needs to know. Throws `disk`. */
export function makePrivateMountpoint(options: { readonly temporaryDirectory?: string } = {}): string {
  const parent = options.temporaryDirectory ?? tmpdir();
  try {
    return mkdtempSync(join(parent, PREFIX));
  } catch (cause) {
    throw new RiffleError("disk", `cannot make a directory below ${parent}`, { cause, hint: "set TMPDIR" });
  }
}

/**
 * Removes what `makePrivateMountpoint` made, once nothing is mounted there. A directory of another name or with anything
 * in it stays: false.
 */
export function removePrivateMountpoint(directory: string): boolean {
  if (!basename(directory).startsWith(PREFIX)) return false;
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT"; // node:fs throws nothing else
  }
}

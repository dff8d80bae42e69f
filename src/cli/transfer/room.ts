import { statfsSync } from "node:fs";
import { RiffleError } from "../../errors.ts";
import { formatBytes } from "../quantities.ts";

/** Throws `disk` when `bytes` cannot fit where `directory` lies: before anything is fetched in vain. */
export function checkRoom(directory: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(directory);
  const freeBytes = bavail * bsize;
  if (bytes <= freeBytes) return;
  throw new RiffleError("disk", `${directory} has ${formatBytes(freeBytes)} free, ${formatBytes(bytes)} are needed`, {
    facts: { neededBytes: bytes, freeBytes },
    hint: "free some space or choose another place",
  });
}

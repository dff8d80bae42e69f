import { mkdtempSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMounts } from "./proc-mounts.ts";
import { runTool } from "./unmount-tools.ts";

/**
 * Ends the kernel's connection to whatever serves `device`: every request that waits fails at once, whether its process
 * answers or not. Goes through the fusectl file system (Documentation/filesystems/fuse.rst); where that is not mounted, root
 * mounts it for this moment in a directory of its own. False when it could not be done.
 */
export async function abortConnection(device: string): Promise<boolean> {
  const [major, minor] = device.split(":");
  // Connections are named by the kernel's device number, in which an anonymous device's major is 0.
  if (major !== "0" || minor === undefined) return false;
  const mounted = fusectlMountpoint();
  if (mounted !== undefined) return writeAbort(mounted, minor);
  if (process.getuid?.() !== 0) return false;
  const directory = mkdtempSync(join(tmpdir(), "riffle-fusectl-"));
  try {
    const { ok } = await runTool("mount", ["-t", "fusectl", "fusectl", directory]);
    if (!ok) return false;
    try {
      return writeAbort(directory, minor);
    } finally {
      await runTool("umount", [directory]);
    }
  } finally {
    rmdirSync(directory);
  }
}

function writeAbort(directory: string, connection: string): boolean {
  try {
    writeFileSync(join(directory, connection, "abort"), "1", { flag: "r+" });
    return true;
  } catch {
    return false;
  }
}

function fusectlMountpoint(): string | undefined {
  return readMounts().find((entry) => entry.type === "fusectl")?.mountpoint;
}

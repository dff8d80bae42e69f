import type { ArtifactStats } from "../artifact/accounting.ts";
import { formatBytes } from "./quantities.ts";

const HEAD = ["MOUNTPOINT", "REFERENCE", "STATE", "PID", "FETCHED", "READ", "REQUESTS", "ERRORS"] as const;

/** Columns as wide as their widest cell: nothing is ever cut. */
export function mountTable(mounts: readonly ArtifactStats[]): readonly string[] {
  const rows = mounts.map((mount) => {
    const silent = mount.state === "dead" || mount.state === "hung";
    const counted = [
      formatBytes(mount.bytesFetched),
      formatBytes(mount.bytesRead),
      `${mount.requests}`,
      `${mount.errors}`,
    ];
    const counters = silent ? ["-", "-", "-", "-"] : counted;
    return [mount.mountpoint ?? "", mount.reference, mount.state, mount.pid === 0 ? "-" : `${mount.pid}`, ...counters];
  });
  const table = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

import type { ArtifactStats } from "../artifact/accounting.ts";
import { formatBytes } from "./quantities.ts";

const PREFETCH = "PREFETCH";
const HEAD = ["MOUNTPOINT", "REFERENCE", "STATE", "PID", "FETCHED", "READ", "REQUESTS", "ERRORS"] as const;

/** How far it has come; of indexes alone no share is known. */
function prefetchText({ prefetch, state }: ArtifactStats): string {
  if (prefetch === null || state === "dead" || state === "hung") return "-";
  if (prefetch.mode === "hints" || prefetch.size === 0) return `${prefetch.mode} ${prefetch.state}`;
  return `${Math.floor((100 * prefetch.bytes) / prefetch.size)}% ${prefetch.state}`;
}

/** Columns as wide as their widest cell: nothing is ever cut. */
export function mountTable(mounts: readonly ArtifactStats[]): readonly string[] {
  // Mounts of other versions tell nothing of it.
  const isFilling = mounts.some(({ prefetch }) => (prefetch ?? null) !== null);
  const rows = mounts.map((mount) => {
    const silent = mount.state === "dead" || mount.state === "hung";
    const counted = [
      formatBytes(mount.bytesFetched),
      formatBytes(mount.bytesRead),
      `${mount.requests}`,
      `${mount.errors}`,
    ];
    const counters = silent ? ["-", "-", "-", "-"] : counted;
    const pid = mount.pid === 0 ? "-" : `${mount.pid}`;
    const filled = isFilling ? [prefetchText(mount)] : [];
    return [mount.mountpoint ?? "", mount.reference, mount.state, pid, ...counters, ...filled];
  });
  const head = isFilling ? [...HEAD, PREFETCH] : HEAD;
  const table = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

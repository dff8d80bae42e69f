import type { ArtifactStats } from "../artifact/accounting.ts";
import type { Session } from "../mount/sessions.ts";
import { formatBytes } from "./quantities.ts";

const NOTHING = { token: 0, manifest: 0, blob: 0, other: 0 };

/** INTERFACE section 4 for every session: of one that does not answer, what is known without it, and zeros. */
export function sessionStats({ status, mountpoint, reference, stored, stats }: Session): ArtifactStats {
  const silent: ArtifactStats = {
    reference,
    digest: stored?.state.digest ?? /@(sha(?:256|512):[0-9a-f]+)$/.exec(reference)?.[1] ?? "",
    mountpoint,
    pid: stored?.state.process.pid ?? 0,
    backend: stored?.state.backend ?? null,
    state: status,
    since: stored?.state.since ?? new Date(0).toISOString(),
    files: 0,
    size: 0,
    reads: 0,
    bytesRead: 0,
    bytesFromCache: 0,
    requests: 0,
    requestsByKind: NOTHING,
    bytesFetched: 0,
    bytesFetchedByKind: NOTHING,
    bytesVerified: 0,
    retries: 0,
    errors: 0,
    passthrough: false,
    amplification: null,
    cache: { bytes: 0, limit: 0 },
  };
  // A daemon of this protocol version answers with that very shape; a later one may add to it.
  return { ...silent, ...(stats as Partial<ArtifactStats> | undefined), state: status };
}

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

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** What a process holds of the system. */
export interface Census {
  readonly descriptors: number;
  readonly sockets: number;
  /** Deleted files that are still open. */
  readonly deleted: number;
  readonly threads: number;
  readonly rssBytes: number;
}

/** Of a live process, by proc(5). */
export function censusOf(pid: number): Census {
  const places = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      // closed between the listing and the look
      return [];
    }
  });
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const value = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? Number.NaN);
  return {
    descriptors: places.length,
    sockets: places.filter((place) => place.startsWith("socket:")).length,
    deleted: places.filter((place) => place.endsWith(" (deleted)") && !place.startsWith("/memfd:")).length,
    threads: value("Threads"),
    rssBytes: value("VmRSS") * 1024,
  };
}

/** Processes whose environment says that this is their home. */
export function processesOf(home: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`HOME=${home}`);
      } catch {
        return false;
      }
    });
}

/** Paths of files below `directory` that match, however deep. */
export function filesBelow(directory: string, matches: (path: string) => boolean): readonly string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter(matches);
  } catch {
    return [];
  }
}

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readMounts } from "../../src/mount/proc-mounts.ts";
import { putArtifact } from "../support/artifacts.ts";
import { runWell } from "../support/processes.ts";
import type { RegistryHandle } from "../support/registry/server.ts";
import { ROOT } from "../support/root.ts";
import { filesBelow } from "./census.ts";
import type { CycleOrder, CycleReport } from "./cycle-program.ts";

/** Mount/unmount cycles by the library in one process, and what is left after them. */
export interface CycleResult extends CycleReport {
  /** Mounts below its folder, temporary files, and files in the trash of the cache. */
  readonly mountsLeft: readonly string[];
  readonly temporaryLeft: readonly string[];
  readonly trashLeft: readonly string[];
}

const SIZE = 4 * 1024 * 1024 + 5;
const SEED = 4242;

export async function mountCycles(
  registry: RegistryHandle,
  options: { readonly cycles: number; readonly folder: string; readonly timeoutMs: number },
): Promise<CycleResult> {
  const { folder, timeoutMs } = options;
  const { reference } = await putArtifact(
    registry,
    { repository: "soak/cycles", tag: "v1" },
    { files: [{ title: "data.bin", content: { kind: "noise", seed: SEED, size: SIZE } }] },
  );
  const temporary = join(folder, "tmp");
  mkdirSync(temporary, { recursive: true });
  const order: CycleOrder = { reference, seed: SEED, size: SIZE, folder, cycles: options.cycles, atOnce: 2 };
  const { stdout } = await runWell(
    process.execPath,
    ["--expose-gc", `${ROOT}dist-tools/test/soak/cycle-program.js`, JSON.stringify(order)],
    { timeoutMs, env: { TMPDIR: temporary, HOME: folder } },
  );
  // printed by that program
  const report = JSON.parse(stdout.toString()) as CycleReport;
  return {
    ...report,
    mountsLeft: readMounts()
      .map(({ mountpoint }) => mountpoint)
      .filter((mountpoint) => mountpoint.startsWith(`${folder}/`)),
    temporaryLeft: readdirSync(temporary),
    trashLeft: filesBelow(join(folder, "cache"), (path) => path.includes("/trash/")),
  };
}

const MIB = 1024 * 1024;
/** The heap's own breathing; ten thousand cycles that lost a kilobyte each would be over it. */
const HEAP_SLACK_BYTES = 8 * MIB;
/** What the allocator keeps for later. */
const RSS_SLACK_BYTES = 160 * MIB;

/** What must not be, in words; empty when all is well. */
export function cycleViolations(result: CycleResult): readonly string[] {
  const { early, late } = result;
  const grown = (name: "descriptors" | "sockets" | "deleted" | "threads", slack: number): readonly string[] =>
    late[name] > early[name] + slack ? [`${name} grew from ${early[name]} to ${late[name]}`] : [];
  const heap = result.lateHeapBytes - result.earlyHeapBytes;
  const rss = late.rssBytes - early.rssBytes;
  return [
    ...(result.wrong > 0 ? [`${result.wrong} wrong bytes`] : []),
    ...(result.failed > 0 ? [`${result.failed} reads failed`] : []),
    ...grown("descriptors", 0),
    ...grown("sockets", 0),
    ...grown("deleted", 0),
    ...grown("threads", 0),
    ...(heap > HEAP_SLACK_BYTES ? [`live memory grew by ${Math.round(heap / MIB)} MiB`] : []),
    ...(rss > RSS_SLACK_BYTES ? [`resident memory grew by ${Math.round(rss / MIB)} MiB`] : []),
    ...(result.mountsLeft.length > 0 ? [`mounts left: ${result.mountsLeft.join(" ")}`] : []),
    ...(result.temporaryLeft.length > 0 ? [`temporary files left: ${result.temporaryLeft.join(" ")}`] : []),
    ...(result.trashLeft.length > 0 ? [`files left in the cache's trash: ${result.trashLeft.join(" ")}`] : []),
  ];
}

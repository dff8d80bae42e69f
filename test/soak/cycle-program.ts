import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { createEngine as CreateEngine, open as Open, Engine, OpenedArtifact } from "../../src/index.ts";
import { runWell } from "../support/processes.ts";
import { censusOf, type Census } from "./census.ts";
import { startReader, type Reader } from "./readers.ts";

/** What `node --expose-gc cycle-program.js JSON` does. */
export interface CycleOrder {
  readonly reference: string;
  /** Of the one file `data.bin` of noise. */
  readonly seed: number;
  readonly size: number;
  /** An empty folder of its own. */
  readonly folder: string;
  readonly cycles: number;
  /** Mounts that are up at one time. */
  readonly atOnce: number;
}

export interface CycleReport {
  readonly cycles: number;
  readonly reads: number;
  readonly wrong: number;
  readonly failed: number;
  /** After the first tenth, when everything that is loaded once is loaded. */
  readonly early: Census;
  readonly late: Census;
  /** Live bytes of the JavaScript heap and of buffers, after a collection. */
  readonly earlyHeapBytes: number;
  readonly lateHeapBytes: number;
}

const { open, createEngine } = (await import(new URL("../../../dist/index.js", import.meta.url).href)) as {
  open: typeof Open;
  createEngine: typeof CreateEngine;
};
// written by cycles.ts
const order = JSON.parse(process.argv[2] ?? "{}") as CycleOrder;
const cacheDir = join(order.folder, "cache");
/** Each has a mountpoint and a reader of its own. */
const lanes = Array.from({ length: order.atOnce }, (_, at) => {
  const place = join(order.folder, `mnt-${at}`);
  mkdirSync(place, { recursive: true });
  return { place, reader: startReader() };
});
let [cycle, reads, wrong, failed] = [0, 0, 0, 0];

/** Every second cycle has an engine of its own; every third is ended from outside. */
async function run(lane: { readonly place: string; readonly reader: Reader }, shared: Engine): Promise<void> {
  cycle += 1;
  const number = cycle;
  const { place, reader } = lane;
  const artifact: OpenedArtifact = await open(order.reference, {
    plainHttp: true,
    ...(number % 2 === 0 ? { engine: shared } : { cacheDir }),
  });
  try {
    const mount = await artifact.mount(place);
    const start = (number * 65_536) % (order.size - 65_536);
    const path = join(place, "data.bin");
    const answer = await reader.ask({ kind: "read", path, start, end: start + 65_536, seed: order.seed });
    reads += 1;
    wrong += answer.wrong;
    if (answer.code !== undefined) failed += 1;
    if (number % 3 === 0) {
      await runWell("umount", [place]);
      await mount.ended;
    } else if (number % 3 === 1) await mount.close();
  } finally {
    await artifact.close();
  }
}

async function cycles(until: number): Promise<void> {
  await using shared = await createEngine({ cacheDir });
  const drive = async (lane: (typeof lanes)[number]): Promise<void> => {
    while (cycle < until) await run(lane, shared);
  };
  await Promise.all(lanes.map(drive));
}

/** What is held when nothing is going on: connections that are kept open for a while are over then. */
async function quiet(): Promise<{ readonly census: Census; readonly heapBytes: number }> {
  for (let round = 0; round < 5; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return { census: censusOf(process.pid), heapBytes: heapUsed + arrayBuffers + external };
}

await cycles(Math.ceil(order.cycles / 10));
const early = await quiet();
await cycles(order.cycles);
const late = await quiet();
const report: CycleReport = {
  cycles: cycle,
  reads,
  wrong,
  failed,
  early: early.census,
  late: late.census,
  earlyHeapBytes: early.heapBytes,
  lateHeapBytes: late.heapBytes,
};
for (const { reader } of lanes) await reader.close();
process.stdout.write(`${JSON.stringify(report)}\n`);

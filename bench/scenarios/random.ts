import { join } from "node:path";
import { LATENCY_MS, type Bench } from "../context.ts";
import { measurePeers } from "../peers.ts";
import { RAW_BYTES, RAW_SEED, rawArtifact } from "../raw.ts";
import { readRandom, type RandomTask } from "../readers.ts";
import { atLeast, atMost, median, repeat, type Scenario } from "../scenario.ts";

const TASK = { size: RAW_BYTES, count: 64, bytes: 64 * 1024, seed: RAW_SEED } as const;

interface Sample {
  readonly ms: number;
  readonly requests: number;
  readonly bytes: number;
}

async function cold(bench: Bench, task: RandomTask): Promise<Sample> {
  const { reference } = await bench.store("raw", () => rawArtifact(bench));
  const mounted = await bench.mount(reference);
  await bench.registry.reset();
  const ms = await readRandom(join(mounted.path, "raw.bin"), task);
  await mounted.unmount();
  const { kinds } = await bench.registry.counters();
  return { ms, ...kinds.blob };
}

export const randomReads: Scenario = {
  name: "random-reads",
  title: "64 random 64 KiB reads of a 256 MiB file, one reader",
  async run(bench) {
    const samples = await repeat(bench.runs, () => cold(bench, { ...TASK, readers: 1 }));
    const ms = median(samples.map((sample) => sample.ms));
    const bytes = Math.max(...samples.map((sample) => sample.bytes));
    const requests = Math.max(...samples.map((sample) => sample.requests));
    const needed = TASK.count * TASK.bytes;
    return {
      checks: [
        atMost("count", { what: "blob bytes to bytes read", value: bytes / needed, limit: 1.5, unit: "x" }),
        atMost("count", { what: "blob requests", value: requests, limit: TASK.count }),
        atMost("aim", { what: "time to 64 round trips", value: ms / (TASK.count * LATENCY_MS), limit: 1.2, unit: "x" }),
      ],
      facts: { ms, bytes, requests },
      peers: await measurePeers(bench, "raw", (folder) => readRandom(join(folder, "raw.bin"), { ...TASK, readers: 1 })),
    };
  },
};

export const randomParallel: Scenario = {
  name: "random-parallel",
  title: "the same reads by 8 readers at once",
  async run(bench) {
    const pairs = await repeat(bench.runs, async () => ({
      one: await cold(bench, { ...TASK, readers: 1 }),
      eight: await cold(bench, { ...TASK, readers: 8 }),
    }));
    const faster = median(pairs.map(({ one, eight }) => one.ms / eight.ms));
    const bytes = Math.max(...pairs.map(({ eight }) => eight.bytes));
    return {
      checks: [
        atLeast("ratio", { what: "faster than one reader", value: faster, limit: 5, unit: "x" }),
        atMost("count", {
          what: "blob bytes to bytes read",
          value: bytes / (TASK.count * TASK.bytes),
          limit: 1.5,
          unit: "x",
        }),
      ],
      facts: {
        ms: median(pairs.map(({ eight }) => eight.ms)),
        oneReaderMs: median(pairs.map(({ one }) => one.ms)),
        bytes,
      },
      peers: await measurePeers(bench, "raw", (folder) => readRandom(join(folder, "raw.bin"), { ...TASK, readers: 8 })),
    };
  },
};

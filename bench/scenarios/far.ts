import { join } from "node:path";
import type { RegistryCounters } from "../../test/support/registry/options.ts";
import type { Bench } from "../context.ts";
import { RAW_BYTES, RAW_SEED, rawArtifact } from "../raw.ts";
import { ddRead, readSequential } from "../readers.ts";
import { atLeast, atMost, median, repeat, type Scenario } from "../scenario.ts";

/** Another continent: a connection is slow beside the line that all of them share, and one answer of fifty never comes. */
const LINK = { latencyMs: 200, ratePerConnection: 6.25e6, totalRate: 25e6 } as const;
const STALL = { every: 50, afterBytes: 256 * 1024 } as const;
/** Parts of 8 MiB, the first windows of a stream in smaller ones, and one in twenty twice. */
const MOST_REQUESTS = 96;

interface Sample {
  readonly ms: number;
  readonly counters: RegistryCounters;
}

/** The file from start to end over the far link; its bytes are checked from the cache afterwards. */
async function readFar(
  bench: Bench,
  stall: false | { readonly every: number; readonly afterBytes?: number },
): Promise<Sample> {
  const { reference } = await bench.store("raw", () => rawArtifact(bench));
  const mounted = await bench.mount(reference);
  return bench.over({ ...LINK, stall }, async () => {
    await bench.registry.reset();
    const file = join(mounted.path, "raw.bin");
    const ms = await ddRead(file);
    await readSequential(file, { seed: RAW_SEED });
    await mounted.unmount();
    return { ms, counters: await bench.registry.counters() };
  });
}

export const far: Scenario = {
  name: "far",
  title: "256 MiB at 200 ms and 25 MB/s, one answer of fifty stalled",
  async run(bench) {
    const rounds = await repeat(bench.runs, async (run) => ({
      clean: await readFar(bench, false),
      // Before the first byte of an answer, and in its body.
      stalled: await readFar(bench, run % 2 === 0 ? { every: STALL.every } : STALL),
    }));
    const share = (ms: number): number => ((RAW_BYTES / LINK.totalRate) * 1000) / ms;
    const ofStalled = rounds.map(({ stalled }) => stalled);
    const blob = (pick: "requests" | "bytes"): number =>
      Math.max(...ofStalled.map(({ counters }) => counters.kinds.blob[pick]));
    const met = Math.min(...ofStalled.map(({ counters }) => counters.stalled));
    return {
      checks: [
        atLeast("count", { what: "answers that stalled in each run", value: met, limit: 1 }),
        atMost("count", { what: "blob requests", value: blob("requests"), limit: MOST_REQUESTS }),
        atMost("count", {
          what: "blob bytes to the file's size",
          value: blob("bytes") / RAW_BYTES,
          limit: 1.05,
          unit: "x",
        }),
        atLeast("ratio", {
          what: "rate to the link's, with stalls",
          value: share(median(ofStalled.map(({ ms }) => ms))),
          limit: 0.8,
          unit: "x",
        }),
        atLeast("aim", {
          what: "rate to the link's, without",
          value: share(median(rounds.map(({ clean }) => clean.ms))),
          limit: 0.85,
          unit: "x",
        }),
      ],
      facts: {
        ms: median(ofStalled.map(({ ms }) => ms)),
        cleanMs: median(rounds.map(({ clean }) => clean.ms)),
        requests: blob("requests"),
        cleanRequests: Math.max(...rounds.map(({ clean }) => clean.counters.kinds.blob.requests)),
        stalled: met,
      },
    };
  },
};

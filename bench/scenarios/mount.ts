import { manyFiles } from "../../test/support/artifacts.ts";
import { LATENCY_MS } from "../context.ts";
import { atMost, median, repeat, type Scenario } from "../scenario.ts";

export const mountReady: Scenario = {
  name: "mount-ready",
  title: "mount of a 10-file artifact",
  async run(bench) {
    const { reference } = await bench.store("ten", async () => manyFiles(10, 1 << 20));
    const samples = await repeat(bench.runs, async () => {
      await bench.registry.reset();
      const mounted = await bench.mount(reference);
      const { requests, kinds } = await bench.registry.counters();
      const told = mounted.stats();
      await mounted.unmount();
      return { ms: mounted.ms, requests, blobBytes: kinds.blob.bytes, told: told.requests };
    });
    const worst = (pick: (sample: (typeof samples)[number]) => number): number => Math.max(...samples.map(pick));
    const ms = median(samples.map((sample) => sample.ms));
    return {
      checks: [
        atMost("count", {
          what: "blob bytes before the first read",
          value: worst(({ blobBytes }) => blobBytes),
          limit: 0,
        }),
        atMost("count", { what: "requests", value: worst(({ requests }) => requests), limit: 3 }),
        atMost("count", {
          what: "requests in stats.json apart from the server's count",
          value: worst(({ requests, told }) => Math.abs(requests - told)),
          limit: 0,
        }),
        atMost("time", {
          what: "ready: 300 ms and three round trips",
          value: ms,
          limit: 300 + 3 * LATENCY_MS,
          unit: "ms",
        }),
      ],
      facts: { ms },
    };
  },
};

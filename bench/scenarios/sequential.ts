import { join } from "node:path";
import type { Bench, MountOptions } from "../context.ts";
import { fullPulls, measurePeers } from "../peers.ts";
import { plainRaw, RAW_BYTES, RAW_SEED, rawArtifact } from "../raw.ts";
import { curl, ddRead, readSequential } from "../readers.ts";
import { atLeast, atMost, median, repeat, type Check, type Scenario } from "../scenario.ts";

const CAP_BYTES = 100e6;

interface Sample {
  readonly ms: number;
  readonly requests: number;
  readonly bytes: number;
  readonly passthrough: boolean;
}

/** Mounts, reads the file once from start to end, unmounts. */
async function readThrough(bench: Bench, reference: string, options: MountOptions = {}): Promise<Sample> {
  const mounted = await bench.mount(reference, options);
  if (options.cacheDir !== undefined) await bench.dropPageCache();
  await bench.registry.reset();
  const file = join(mounted.path, "raw.bin");
  // As light a reader as curl is; the bytes are checked from the cache, which costs the registry nothing.
  const ms = await ddRead(file);
  await readSequential(file, { seed: RAW_SEED });
  const { passthrough } = mounted.stats();
  await mounted.unmount();
  const { kinds } = await bench.registry.counters();
  return { ms, ...kinds.blob, passthrough };
}

export const sequential: Scenario = {
  name: "sequential",
  title: "256 MiB from start to end",
  async run(bench) {
    const { reference, layers } = await bench.store("raw", () => rawArtifact(bench));
    const url = `${bench.registry.url}/v2/bench/raw/blobs/${layers[0]?.digest}`;
    const pairs = await repeat(bench.runs, async () => ({
      riffle: await readThrough(bench, reference),
      curlMs: await curl(url),
      cappedMs: (await bench.capped(CAP_BYTES, () => readThrough(bench, reference))).ms,
    }));
    const faster = median(pairs.map(({ riffle, curlMs }) => curlMs / riffle.ms));
    const bytes = Math.max(...pairs.map(({ riffle }) => riffle.bytes));
    const ms = median(pairs.map(({ riffle }) => riffle.ms));
    const cappedMs = median(pairs.map((pair) => pair.cappedMs));
    return {
      checks: [
        atMost("count", { what: "blob bytes to the file's size", value: bytes / RAW_BYTES, limit: 1.02, unit: "x" }),
        atLeast("ratio", { what: "rate to one curl connection", value: faster, limit: 4.5, unit: "x" }),
        atLeast("aim", { what: "rate to one curl connection", value: faster, limit: 7, unit: "x" }),
        atLeast("ratio", {
          what: "rate to a cap of 100 MB/s over all connections",
          value: ((RAW_BYTES / CAP_BYTES) * 1000) / cappedMs,
          limit: 0.92,
          unit: "x",
        }),
      ],
      facts: { ms, bytes, cappedMs, curlMs: median(pairs.map((pair) => pair.curlMs)) },
      peers: [
        ...(await measurePeers(bench, "raw", async (folder) => {
          const read = await readSequential(join(folder, "raw.bin"), { seed: RAW_SEED });
          return read.ms;
        })),
        ...(await fullPulls(bench, reference)),
      ],
    };
  },
};

/** Reads the whole file once, unpaced, so that `cacheDir` holds it. */
export async function fillCache(bench: Bench, cacheDir: string): Promise<string> {
  const { reference } = await bench.store("raw", () => rawArtifact(bench));
  await bench.unpaced(() => readThrough(bench, reference, { cacheDir }));
  return reference;
}

async function againInOneMount(bench: Bench): Promise<{ readonly requests: number; readonly dropped: boolean }> {
  const { reference } = await bench.store("raw", () => rawArtifact(bench));
  const mounted = await bench.mount(reference);
  const file = join(mounted.path, "raw.bin");
  await bench.unpaced(() => readSequential(file, { seed: RAW_SEED }));
  const dropped = await bench.dropPageCache();
  await bench.registry.reset();
  await readSequential(file, { seed: RAW_SEED });
  const { kinds } = await bench.registry.counters();
  await mounted.unmount();
  return { requests: kinds.blob.requests, dropped };
}

export const reread: Scenario = {
  name: "reread",
  title: "the same read again, and in a second mount of the same digest under another tag",
  async run(bench) {
    const again = await againInOneMount(bench);
    const cacheDir = bench.freshFolder();
    await fillCache(bench, cacheDir);
    const second = await bench.store("raw", () => rawArtifact(bench), "v2");
    const plain = await plainRaw(bench);
    const libfuseFlags = ["--backend", "libfuse"];
    const libfuseWorks = await readThrough(bench, second.reference, { cacheDir, flags: libfuseFlags }).then(
      () => true,
      () => false,
    );
    const rounds = await repeat(bench.runs, async () => {
      const kernel = await readThrough(bench, second.reference, { cacheDir });
      const libfuse = libfuseWorks
        ? await readThrough(bench, second.reference, { cacheDir, flags: libfuseFlags })
        : undefined;
      await bench.dropPageCache();
      return { kernel, libfuse, plainMs: await ddRead(plain) };
    });
    const passthrough = rounds.every(({ kernel }) => kernel.passthrough);
    const toLibfuse = median(rounds.map(({ kernel, libfuse }) => (libfuse?.ms ?? Number.NaN) / kernel.ms));
    const toPlain = median(rounds.map(({ kernel, plainMs }) => plainMs / kernel.ms));
    const checks: Check[] = [
      atMost("count", { what: "blob requests of the second read", value: again.requests, limit: 0 }),
      atMost("count", {
        what: "blob requests of the second mount",
        value: Math.max(...rounds.map(({ kernel }) => kernel.requests)),
        limit: 0,
      }),
    ];
    // a tenth for the noise between two runs of one disk
    if (libfuseWorks)
      checks.push(atLeast("ratio", { what: "rate to the libfuse backend", value: toLibfuse, limit: 0.9, unit: "x" }));
    if (passthrough)
      checks.push(atLeast("aim", { what: "rate to a plain file", value: toPlain, limit: 0.8, unit: "x" }));
    else if (libfuseWorks)
      checks.push(atLeast("aim", { what: "rate to the libfuse backend", value: toLibfuse, limit: 1.5, unit: "x" }));
    return {
      checks,
      facts: {
        ms: median(rounds.map(({ kernel }) => kernel.ms)),
        plainMs: median(rounds.map(({ plainMs }) => plainMs)),
        passthrough,
      },
      notes: [
        ...(libfuseWorks ? [] : ["the libfuse backend does not run here: not compared with it"]),
        ...(again.dropped ? [] : ["the page cache could not be dropped (not root)"]),
      ],
    };
  },
};

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { manyReaders } from "../../test/support/many-readers.ts";
import { runWell } from "../../test/support/processes.ts";
import { hasPython } from "../../test/support/python.ts";
import { mountTree, plainTree, storedTree } from "../../test/support/served-tree.ts";
import type { Bench } from "../context.ts";
import { RAW_SEED, rawArtifact } from "../raw.ts";
import { atLeast, atMost, median, repeat, type Check, type Scenario } from "../scenario.ts";

const READERS = 64;
const PIECE_BYTES = 64 * 1024;
const STEP_BYTES = 3 * 1024 * 1024 + PIECE_BYTES;

const PIECES = Array.from({ length: READERS }, (_, at) => ({
  start: at * STEP_BYTES,
  end: at * STEP_BYTES + PIECE_BYTES,
}));

async function readAtOnce(
  bench: Bench,
  how: "pread" | "mmap",
  readers: number,
): Promise<{ ms: number; bytes: number }> {
  const { reference } = await bench.store("raw", () => rawArtifact(bench));
  const mounted = await bench.mount(reference);
  await bench.registry.reset();
  const path = join(mounted.path, "raw.bin");
  const { ms, ends } = await manyReaders({ path, seed: RAW_SEED, pieces: PIECES, readers, how });
  await mounted.unmount();
  const { blob } = (await bench.registry.counters()).kinds;
  if (ends.some((end) => end !== 0)) throw new Error(`readers by ${how} ended with ${ends.join()}`);
  return { ms, bytes: blob.bytes };
}

export const manyProcesses: Scenario = {
  name: "many-readers",
  title: "64 pieces of 64 KiB by 64 processes at once, and by one; pread and mmap",
  obstacle: () => (hasPython() ? undefined : "no python3"),
  async run(bench) {
    const checks: Check[] = [];
    const facts: Record<string, number> = {};
    for (const how of ["pread", "mmap"] as const) {
      const pairs = await repeat(bench.runs, async () => ({
        one: await readAtOnce(bench, how, 1),
        all: await readAtOnce(bench, how, READERS),
      }));
      const faster = median(pairs.map(({ one, all }) => one.ms / all.ms));
      const bytes = Math.max(...pairs.map(({ all }) => all.bytes)) / (READERS * PIECE_BYTES);
      checks.push(
        atLeast("ratio", { what: `${how}: rate to one reader`, value: faster, limit: 4, unit: "x" }),
        atMost("count", {
          what: `${how}: blob bytes to bytes read`,
          value: bytes,
          limit: how === "pread" ? 1.1 : 4,
          unit: "x",
        }),
      );
      facts[`${how}Ms`] = median(pairs.map(({ all }) => all.ms));
      facts[`${how}OneMs`] = median(pairs.map(({ one }) => one.ms));
    }
    return { checks, facts };
  },
};

const SHAPE = { directories: 1000, files: 1_000_000 } as const;
const MEMORY = "/dev/shm";

/** Milliseconds of a walk that prints every name, as `find` does by itself. */
async function walkMs(folder: string): Promise<number> {
  const { stdout, ms } = await runWell("sh", ["-c", `find ${folder} | wc -l`]);
  const found = Number(stdout.toString());
  if (found !== 1 + SHAPE.directories + SHAPE.files) throw new Error(`find saw ${found} names in ${folder}`);
  return ms;
}

export const millionFiles: Scenario = {
  name: "million-files",
  title: "a kept tree of 1,000,000 files: mount, find, and the same tree on tmpfs",
  obstacle: () => {
    if (process.getuid?.() !== 0) return "not root";
    return hasPython() ? undefined : "no python3";
  },
  async run(bench) {
    const file = join(bench.freshFolder(), "tree");
    await storedTree(file, SHAPE);
    const local = join(MEMORY, `riffle-plain-${process.pid}`);
    mkdirSync(local);
    try {
      await plainTree(local, SHAPE);
      const rounds = await repeat(bench.runs, async () => {
        await using tree = await mountTree(file);
        const firstMs = await walkMs(tree.path);
        const before = tree.systemCalls();
        const pairs = await repeat(3, async () => ({ ours: await walkMs(tree.path), local: await walkMs(local) }));
        const ratio = median(pairs.map((pair) => pair.local / pair.ours));
        const calls = tree.systemCalls() - before;
        return {
          mountMs: tree.ms,
          firstMs,
          ratio,
          calls,
          peak: tree.peakMemory() / 1e6,
          secondMs: pairs[0]?.ours ?? 0,
        };
      });
      const worst = (pick: (round: (typeof rounds)[number]) => number): number => Math.max(...rounds.map(pick));
      const mountMs = median(rounds.map((round) => round.mountMs));
      return {
        checks: [
          atMost("count", { what: "VmHWM of the daemon", value: worst(({ peak }) => peak), limit: 200, unit: "MB" }),
          atMost("count", {
            what: "reads by the daemon in three further passes, beyond two for each folder",
            value: Math.max(0, worst(({ calls }) => calls) - 6 * SHAPE.directories),
            limit: 50,
          }),
          atLeast("ratio", {
            what: "find, second pass: rate to the same tree on tmpfs",
            value: median(rounds.map(({ ratio }) => ratio)),
            limit: 0.5,
            unit: "x",
          }),
          atMost("time", { what: "mount of the kept tree", value: mountMs, limit: 500, unit: "ms" }),
        ],
        facts: {
          mountMs,
          firstMs: median(rounds.map(({ firstMs }) => firstMs)),
          secondMs: median(rounds.map(({ secondMs }) => secondMs)),
        },
      };
    } finally {
      rmSync(local, { recursive: true, force: true });
    }
  },
};

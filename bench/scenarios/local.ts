import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hugeFile, treeOfFiles } from "../../test/support/artifacts.ts";
import { noiseStream } from "../../test/support/content.ts";
import { hasProgram, runWell } from "../../test/support/processes.ts";
import type { Bench } from "../context.ts";
import { readSequential } from "../readers.ts";
import { atLeast, atMost, median, repeat, type Check, type Scenario } from "../scenario.ts";
import { plainRaw, RAW_BYTES, RAW_SEED, rawArtifact } from "../raw.ts";
import { fillCache } from "./sequential.ts";

const TOUCHES = 32;
const TOUCH_BYTES = 64 * 1024;
const TOUCH = `import hashlib, json, mmap, sys
offsets = json.loads(sys.argv[2])
with open(sys.argv[1], "rb") as file:
    view = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    seen = hashlib.sha256()
    for at in offsets:
        seen.update(view[at : at + ${TOUCH_BYTES}])
    print(seen.hexdigest())
`;

export const mmapTouches: Scenario = {
  name: "mmap",
  title: "32 random touches of 64 KiB through mmap",
  obstacle: () => (hasProgram("python3") ? undefined : "no python3"),
  async run(bench) {
    const { reference } = await bench.store("raw", () => rawArtifact(bench));
    const stream = noiseStream(RAW_SEED);
    // a walk by an odd stride visits places far apart in no order that read-ahead could guess
    const offsets = Array.from(
      { length: TOUCHES },
      (_, i) => (((i + 1) * 2_654_435_761) % (RAW_BYTES / TOUCH_BYTES)) * TOUCH_BYTES,
    );
    const hash = createHash("sha256");
    for (const start of offsets) hash.update(stream({ start, end: start + TOUCH_BYTES }));
    const right = hash.digest("hex");
    const samples = await repeat(bench.runs, async () => {
      const mounted = await bench.mount(reference);
      await bench.registry.reset();
      const { stdout, ms } = await runWell("python3", [
        "-c",
        TOUCH,
        join(mounted.path, "raw.bin"),
        JSON.stringify(offsets),
      ]);
      await mounted.unmount();
      if (stdout.toString().trim() !== right) throw new Error("mmap gave wrong bytes");
      const { kinds } = await bench.registry.counters();
      return { ms, ...kinds.blob };
    });
    const bytes = Math.max(...samples.map((sample) => sample.bytes));
    return {
      checks: [
        atMost("count", {
          what: "blob bytes to bytes touched",
          value: bytes / (TOUCHES * TOUCH_BYTES),
          limit: 4,
          unit: "x",
        }),
      ],
      facts: {
        ms: median(samples.map(({ ms }) => ms)),
        bytes,
        requests: Math.max(...samples.map(({ requests }) => requests)),
      },
    };
  },
};

/** 4 KiB random reads by four jobs; reads a second. */
async function fio(file: string, direct: boolean): Promise<number> {
  const { stdout } = await runWell("fio", [
    ..."--name=riffle --rw=randread --bs=4k --numjobs=4 --ioengine=psync --runtime=3 --time_based --group_reporting --readonly --invalidate=0 --norandommap --output-format=json".split(
      " ",
    ),
    `--filename=${file}`,
    `--size=${RAW_BYTES}`,
    `--direct=${direct ? 1 : 0}`,
  ]);
  const text = stdout.toString();
  // fio's JSON (fio manual, "--output-format=json"), which warnings may precede
  const report = JSON.parse(text.slice(text.indexOf("{"))) as {
    readonly jobs: readonly { readonly read: { readonly iops: number } }[];
  };
  return report.jobs[0]?.read.iops ?? Number.NaN;
}

interface Warm {
  readonly iops: number;
  readonly requests: number;
}

async function warm(
  bench: Bench,
  options: { readonly cacheDir: string; readonly direct: boolean; readonly flags: readonly string[] },
): Promise<Warm> {
  const { reference } = await bench.store("raw", () => rawArtifact(bench));
  const mounted = await bench.mount(reference, { cacheDir: options.cacheDir, flags: options.flags });
  const file = join(mounted.path, "raw.bin");
  await readSequential(file, { seed: RAW_SEED });
  await bench.registry.reset();
  const iops = await fio(file, options.direct);
  const { kinds } = await bench.registry.counters();
  await mounted.unmount();
  return { iops, requests: kinds.blob.requests };
}

export const warmRandom: Scenario = {
  name: "warm-random",
  title: "4 KiB random reads of a cached file, 4 jobs (fio)",
  obstacle: () => (hasProgram("fio") ? undefined : "no fio"),
  async run(bench) {
    const cacheDir = bench.freshFolder();
    await fillCache(bench, cacheDir);
    const plain = await plainRaw(bench);
    await readSequential(plain, { seed: RAW_SEED });
    const never = ["--page-cache", "never"];
    const libfuse = { cacheDir, direct: true, flags: [...never, "--backend", "libfuse"] };
    const libfuseWorks = await warm(bench, libfuse).then(
      () => true,
      () => false,
    );
    const rounds = await repeat(bench.runs, async () => ({
      cached: await warm(bench, { cacheDir, direct: false, flags: [] }),
      direct: await warm(bench, { cacheDir, direct: true, flags: never }),
      libfuse: libfuseWorks ? await warm(bench, libfuse) : undefined,
      plain: await fio(plain, false),
    }));
    const ratio = median(rounds.map(({ direct, libfuse: other }) => direct.iops / (other?.iops ?? Number.NaN)));
    const toPlain = median(rounds.map(({ cached, plain: local }) => cached.iops / local));
    const checks: Check[] = [
      atMost("count", {
        what: "blob requests",
        value: Math.max(...rounds.flatMap(({ cached, direct }) => [cached.requests, direct.requests])),
        limit: 0,
      }),
      atLeast("aim", { what: "rate to a plain file, by the page cache", value: toPlain, limit: 0.9, unit: "x" }),
    ];
    if (libfuseWorks)
      checks.push(
        atLeast("ratio", {
          what: "rate to the libfuse backend, every read to the daemon",
          value: ratio,
          limit: 1.5,
          unit: "x",
        }),
      );
    return {
      checks,
      facts: {
        cachedIops: median(rounds.map(({ cached }) => cached.iops)),
        directIops: median(rounds.map(({ direct }) => direct.iops)),
        libfuseIops: median(rounds.map(({ libfuse: other }) => other?.iops ?? Number.NaN)),
        plainIops: median(rounds.map(({ plain: local }) => local)),
      },
      notes: libfuseWorks ? [] : ["the libfuse backend does not run here: not compared with it"],
    };
  },
};

const FILES = 20_000;

/** Read and write system calls of a process since its start: each message from the kernel is at least one read. */
function systemCalls(pid: number): number {
  const text = readFileSync(`/proc/${pid}/io`, "utf8");
  const value = (name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(text)?.[1]);
  return value("syscr");
}

export const treeWalk: Scenario = {
  name: "tree",
  title: "find and stat over 20,000 files, twice",
  async run(bench) {
    const { reference } = await bench.store("tree", async () => treeOfFiles(FILES));
    const mounted = await bench.mount(reference);
    const find = async (): Promise<{ readonly files: number; readonly folders: number; readonly ms: number }> => {
      const { stdout, ms } = await runWell("find", [mounted.path, "-printf", "%y %s\n"]);
      const lines = stdout.toString().trim().split("\n");
      return {
        files: lines.filter((line) => line.startsWith("f")).length,
        folders: lines.filter((line) => line.startsWith("d")).length,
        ms,
      };
    };
    const first = await find();
    await bench.registry.reset();
    const before = systemCalls(mounted.pid);
    const second = await find();
    const calls = systemCalls(mounted.pid) - before;
    const { requests } = await bench.registry.counters();
    await mounted.unmount();
    if (first.files !== FILES || second.files !== FILES)
      throw new Error(`find saw ${first.files} and ${second.files} files`);
    return {
      checks: [
        atMost("count", { what: "requests to the registry", value: requests, limit: 0 }),
        // opening and releasing a folder are a message each, whatever is cached; a timer of the daemon may read too
        atMost("count", {
          what: "reads by the daemon beyond two for each folder",
          value: Math.max(0, calls - 2 * second.folders),
          limit: 50,
        }),
      ],
      facts: {
        mountMs: mounted.ms,
        firstMs: first.ms,
        secondMs: second.ms,
        daemonReads: calls,
        folders: second.folders,
      },
    };
  },
};

const HUGE_BYTES = 10 * 2 ** 30;

export const memory: Scenario = {
  name: "memory",
  title: "most memory of the daemon while 10 GB are read",
  async run(bench) {
    const { reference } = await bench.store("huge", async () => hugeFile(HUGE_BYTES));
    const mounted = await bench.mount(reference, { flags: ["--cache-size", "2G"] });
    const read = await bench.unpaced(() => readSequential(join(mounted.path, "huge.bin"), { seed: 7, limit: 10e9 }));
    const peak = mounted.peakMemory() / 1e6;
    await mounted.unmount();
    return {
      checks: [
        atMost("count", { what: "VmHWM", value: peak, limit: 250, unit: "MB" }),
        atMost("aim", { what: "VmHWM", value: peak, limit: 150, unit: "MB" }),
      ],
      facts: { peakMb: peak, ms: read.ms, bytes: read.bytes },
    };
  },
};

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  buildArtifact,
  pushArtifact,
  seedArtifact,
  type ArtifactSpec,
  type BuiltArtifact,
} from "../test/support/artifacts.ts";
import {
  mountArtifact,
  riffle,
  riffleHome,
  run,
  runWell,
  temporaryFolder,
  type MountedArtifact,
} from "../test/support/processes.ts";
import { spawnRegistry } from "../test/support/registry/spawn.ts";
import type { RegistryHandle } from "../test/support/registry/server.ts";
import type { RegistryOptions } from "../test/support/registry/options.ts";
import { ROOT } from "../test/support/root.ts";

/** The link that every figure is measured on (docs/BENCHMARKING.md). */
export const LATENCY_MS = 20;
export const RATE_BYTES = 50e6;

export const PROGRAMS: string = `${ROOT}dist-tools/test/support/programs`;

export type StoredArtifact = BuiltArtifact & { readonly reference: string };

export interface MountOptions {
  /** Empty and new when absent. */
  readonly cacheDir?: string;
  readonly flags?: readonly string[];
}

export interface Bench {
  readonly runs: number;
  readonly peers: boolean;
  /** Before each response. */
  readonly latencyMs: number;
  /** Data files that are made once and kept between benchmarks. */
  readonly folder: string;
  readonly registry: RegistryHandle;
  /** Each artifact is stored once a benchmark; its titled files are also plain files at `/files/NAME/TITLE`. */
  store(name: string, make: () => Promise<ArtifactSpec>, tag?: string): Promise<StoredArtifact>;
  freshFolder(): string;
  mount(reference: string, options?: MountOptions): Promise<MountedArtifact>;
  /** False where this user may not. */
  dropPageCache(): Promise<boolean>;
  /** Runs with a total rate, and puts the link back. */
  capped<T>(totalRate: number, work: () => Promise<T>): Promise<T>;
  /** Runs over another link, and puts the usual one back. */
  over<T>(link: RegistryOptions, work: () => Promise<T>): Promise<T>;
  /** Runs with neither latency nor pace, and puts the link back. */
  unpaced<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export async function openBench(options: Pick<Bench, "runs" | "peers" | "latencyMs">): Promise<Bench> {
  const usual = { latencyMs: options.latencyMs, ratePerConnection: RATE_BYTES, totalRate: 0, stall: false } as const;
  const scratch = temporaryFolder("bench-run");
  const folder = process.env["RIFFLE_BENCH_DIR"] ?? join(tmpdir(), "riffle-bench");
  mkdirSync(folder, { recursive: true });
  const registry = await spawnRegistry(usual);
  const env = riffleHome(scratch);
  const stored = new Map<string, Promise<StoredArtifact>>();
  const mounts = new Set<Promise<MountedArtifact>>();
  let last = 0;

  const freshFolder = (): string => {
    last += 1;
    return scratch.sub(`fresh-${last}`);
  };
  const put = async (name: string, tag: string, make: () => Promise<ArtifactSpec>): Promise<StoredArtifact> => {
    const spec = await make();
    const place = { repository: `bench/${name}`, tag };
    const built = await buildArtifact(spec);
    // Files are pushed, and so served from memory: a server that works hard for its bytes is what would be measured.
    if (spec.files.every(({ content }) => content.kind === "file")) await pushArtifact(registry.url, built, place);
    else await seedArtifact(registry, place, built);
    const artifact = { ...built, reference: `${registry.host}/bench/${name}:${tag}` };
    for (const { title, content } of spec.files.length > 100 ? [] : spec.files)
      if (title !== undefined) await registry.addFile(`${name}/${title}`, content);
    return artifact;
  };
  return {
    ...options,
    folder,
    registry,
    store(name, make, tag = "v1") {
      const key = `${name}:${tag}`;
      const known = stored.get(key) ?? put(name, tag, make);
      stored.set(key, known);
      return known;
    },
    freshFolder,
    mount(reference, { cacheDir = freshFolder(), flags = [] } = {}) {
      const mounting = mountArtifact(reference, freshFolder(), {
        env,
        flags: ["--cache-dir", cacheDir, ...flags],
        timeoutMs: 60_000,
      });
      mounts.add(mounting);
      return mounting;
    },
    async dropPageCache() {
      try {
        await run("sync", []);
        writeFileSync("/proc/sys/vm/drop_caches", "3");
      } catch {
        return false;
      }
      // programs come from memory again, as they do on a machine in use
      await riffle(["--version"], { env });
      await runWell(process.execPath, [`${PROGRAMS}/sequential.js`, "/dev/null"]);
      return true;
    },
    async capped(totalRate, work) {
      await registry.configure({ totalRate });
      return work().finally(() => registry.configure(usual));
    },
    async over(link, work) {
      await registry.configure(link);
      return work().finally(() => registry.configure(usual));
    },
    async unpaced(work) {
      await registry.configure({ latencyMs: 0, ratePerConnection: 0 });
      return work().finally(() => registry.configure(usual));
    },
    async close() {
      // one that is just coming up is waited for, one that failed is nothing, and a second `unmount` does nothing
      for (const mounting of mounts) await mounting.then((mounted) => mounted.unmount()).catch(() => undefined);
      await registry.close();
      rmSync(scratch.path, { recursive: true, force: true });
    },
  };
}

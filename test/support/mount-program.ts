/**
 * Serves a small tree through a backend, in a process of its own: nobody may read a mount from the process that serves
 * it. `node dist-tools/test/support/mount-program.js SETTINGS`; one JSON object a line on stdout; commands on stdin.
 */
import { openSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import type { OpenGrant, Served } from "../../src/artifact/served.ts";
import type { Cache } from "../../src/cache/cache.ts";
import type { openCache as OpenCache } from "../../src/cache/open-cache.ts";
import { RiffleError } from "../../src/errors.ts";
import { buildTree } from "../../src/layers/tree-builder.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import type { MountOptions, PageCache, WarmCounters } from "../../src/mount/backend.ts";
import type { kernelBackend as KernelBackend } from "../../src/mount/kernel-backend.ts";
import { patternBytes } from "./pattern.ts";

export interface MountSettings {
  readonly mountpoint: string;
  readonly source: string;
  readonly entries: readonly TreeEntry[];
  readonly pageCache?: PageCache;
  readonly threads?: number;
  readonly allowOther?: boolean;
  readonly device?: string;
  /** How each file is granted, by its name; direct if absent. */
  readonly grants?: Readonly<Record<string, OpenGrant["kind"]>>;
  /** The file behind `backed` grants. */
  readonly backing?: string;
  /** Bytes of the slot table, where it is to be a wrong one. */
  readonly slotBytes?: number;
  /** Who the program becomes before it mounts. */
  readonly user?: number;
  /** The number of sources; 1 if absent. */
  readonly sources?: number;
  /** A cache that holds these sources whole, and offsets at which reads are told of. */
  readonly cache?: {
    readonly directory: string;
    readonly sources: readonly number[];
    readonly marks?: readonly number[];
  };
}

export interface MountStats {
  readonly opens: number;
  readonly releases: number;
  readonly reads: number;
  readonly aborted: number;
  readonly touched: readonly string[];
  readonly warm: WarmCounters;
  readonly passthrough: boolean;
}

// The test that starts this program gives exactly this.
const settings = JSON.parse(process.argv[2] ?? "{}") as MountSettings;
// Threads run from dist; what starts them must come from there too.
const { openCache } = (await import(new URL("../../../dist/cache/open-cache.js", import.meta.url).href)) as {
  readonly openCache: typeof OpenCache;
};
const { kernelBackend } = (await import(new URL("../../../dist/mount/kernel-backend.js", import.meta.url).href)) as {
  readonly kernelBackend: typeof KernelBackend;
};

const tree = openTree(
  buildTree(settings.entries, {
    sources: Array.from({ length: settings.sources ?? 1 }, () => [
      { name: "user.oci.digest", value: Buffer.from("sha256:00") },
    ]),
  }),
);
const counts = { opens: 0, releases: 0, reads: 0, aborted: 0 };
const touched: string[] = [];
let changes = 0;
const nameOf = (row: number): string => Buffer.from(tree.name(row)).toString();
const backing = settings.backing === undefined ? undefined : openSync(settings.backing, "r");

const FILL_BYTES = 4 * 1_048_576;

/** Holds each of the cached sources whole, proven, at the offsets of its file. */
async function fillCache(slots: Int32Array): Promise<Cache | undefined> {
  if (settings.cache === undefined) return undefined;
  const cache = await openCache({ directory: settings.cache.directory });
  for (const source of settings.cache.sources) {
    const row = Array.from({ length: tree.rows }, (_, at) => at).find((at) => tree.source(at) === source) ?? 0;
    const size = tree.size(row);
    const entry = cache.open(`sha256:${String(source).padStart(64, "0")}`, size);
    for (let start = 0; start < size; start += FILL_BYTES) {
      if (entry.missing({ start, end: Math.min(size, start + FILL_BYTES) }).length > 0)
        await entry.write(start, patternBytes(row, start, Math.min(size, start + FILL_BYTES)), { verified: true });
    }
    entry.setMarks(settings.cache.marks ?? []);
    slots[source] = entry.slot;
  }
  return cache;
}

const slots = new SharedArrayBuffer(settings.slotBytes ?? 4 * tree.sources);
const cache =
  settings.slotBytes === undefined
    ? await fillCache(new Int32Array(slots))
    : await openCache({ directory: settings.cache?.directory ?? "" });

const served: Served = {
  tree,
  slots,
  warm: cache?.warm,
  open(row) {
    counts.opens += 1;
    const kind = settings.grants?.[nameOf(row)] ?? "direct";
    return kind === "backed" && backing !== undefined ? { kind, fd: backing } : { kind };
  },
  async read(row, range, { signal }) {
    counts.reads += 1;
    const name = nameOf(row);
    if (name.startsWith("broken")) throw new RiffleError("unreachable", "no such registry");
    if (name.startsWith("bug")) throw new TypeError("a bug");
    if (name.startsWith("short")) return new Uint8Array(1);
    if (name.startsWith("live")) return Buffer.from(`change ${changes}\n`);
    if (name.startsWith("stall")) {
      await new Promise((_resolve, reject) => {
        signal?.addEventListener("abort", () => {
          counts.aborted += 1;
          reject(new RiffleError("aborted", "interrupted"));
        });
      });
    }
    if (name.startsWith("slow")) await new Promise((resolve) => setTimeout(resolve, 20));
    return patternBytes(row, range.start, range.end);
  },
  touched: (row, range) => void touched.push(`${nameOf(row)} ${range.start}-${range.end}`),
  release: () => void (counts.releases += 1),
  liveXattr: (_row, name) => (name === "user.oci.verified" ? Buffer.from("transport") : Buffer.from("0")),
  liveSize: () => Buffer.from(`change ${changes}\n`).length,
};

if (settings.user !== undefined) {
  process.setgid?.(settings.user);
  process.setuid?.(settings.user);
}

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const backend = kernelBackend(settings.device === undefined ? {} : { device: settings.device });
const options: MountOptions = {
  mountpoint: settings.mountpoint,
  source: settings.source,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  umask: 0,
  pageCache: settings.pageCache ?? "auto",
  log: (level, message) => say({ log: level, message }),
  onEnd: (reason) => say({ ended: reason }),
  ...(settings.threads === undefined ? {} : { threads: settings.threads }),
  ...(settings.allowOther === undefined ? {} : { allowOther: settings.allowOther }),
};

function failure(error: unknown): object {
  if (!(error instanceof Error) || !("code" in error)) return { error: { code: "none", message: String(error) } };
  const hint = "hint" in error ? error.hint : undefined;
  return { error: { code: error.code, message: error.message, hint } };
}

function resources(): { fds: number; threads: number } {
  return { fds: readdirSync("/proc/self/fd").length, threads: readdirSync("/proc/self/task").length };
}

async function cycle(times: number): Promise<object> {
  const quiet = { ...options, log: () => undefined, onEnd: () => undefined };
  await (await backend.mount(served, quiet)).unmount();
  const before = resources();
  for (let i = 0; i < times; i += 1) {
    const mounted = await backend.mount(served, quiet);
    await (i % 2 === 0 ? mounted.unmount() : mounted.close());
  }
  return { before, after: resources() };
}

async function main(): Promise<void> {
  const first = process.argv[3];
  if (first?.startsWith("cycle") === true) {
    say(await cycle(Number(first.slice(5))));
    return;
  }
  const mounted = await backend.mount(served, options);
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "stats") {
      say({ ...counts, touched, warm: mounted.counters(), passthrough: mounted.passthrough });
    } else if (line === "change") {
      changes += 1;
      say({ changes });
    } else if (line === "unmount" || line === "lazy") {
      await mounted.unmount({ lazy: line === "lazy" }).then(
        () => say({ done: line }),
        (error) => say(failure(error)),
      );
    } else if (line === "close") {
      await mounted.close();
      say({ done: line });
    }
  }
  await mounted.close();
  await cache?.close();
}

await main().catch((error: unknown) => say(failure(error)));

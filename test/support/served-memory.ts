import type { ArtifactStats } from "../../src/artifact/accounting.ts";
import type { OpenKind, Served } from "../../src/artifact/served.ts";
import { isEmpty } from "../../src/bytes/range.ts";
import { abortError, RiffleError } from "../../src/errors.ts";
import { buildTree } from "../../src/layers/tree-builder.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";
import { openTree } from "../../src/layers/tree-table.ts";
import { ROW_FILTERED, ROW_HIDDEN, ROW_LIVE, type Row } from "../../src/layers/tree.ts";
import type { Mounted } from "../../src/mount/backend.ts";

/** Byte `offset` of content `source`: tells every place of every file from every other. */
export function patternByte(source: number, offset: number): number {
  return (source * 37 + offset * 31 + (offset >>> 8) * 17 + Math.floor(offset / 65_536) * 7) & 0xff;
}

export function pattern(source: number, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - start);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = patternByte(source, start + at);
  return bytes;
}

export const MTIME = 1_700_000_000;
export const BIG_BYTES = 24 * 1024 * 1024 + 123;
export const LARGE_BYTES = 5 * 1024 ** 4 + 7;
export const MANY = 5000;
export const LONG_NAME: string = "n".repeat(255);
export const DEEP: string = Array.from({ length: 40 }, (_, depth) => `level${depth}`).join("/");
export const ODD_BYTES: Uint8Array = Uint8Array.of(0x62, 0xff, 0x64);
export const ODD_NAMES: readonly string[] = [
  "a b",
  "ünïcode-名",
  "q'u\"o$`te",
  "tab\there",
  "-dash",
  "#hash",
  "back\\slash",
  "*?[x]",
];

/** Sources: 1 has attributes, 2 fails when told to, 3 waits when told to, the others are plain. */
const SOURCES = { plain: 0, described: 1, failing: 2, waiting: 3, big: 4, live: 5 } as const;
export const SOURCE: typeof SOURCES = SOURCES;

const file = (path: string | Uint8Array, size: number, more: Partial<TreeEntry> = {}): TreeEntry => ({
  path,
  kind: "file",
  size,
  source: SOURCES.plain,
  mtime: MTIME,
  ...more,
});

export function conformanceEntries(many: number = MANY): readonly TreeEntry[] {
  const hidden = { flags: ROW_HIDDEN };
  return [
    file("hello.txt", 13, { source: SOURCES.described }),
    file("empty", 0),
    file("failing.bin", 300_000, { source: SOURCES.failing }),
    file("waiting.bin", 300_000, { source: SOURCES.waiting }),
    file("big.bin", BIG_BYTES, { source: SOURCES.big }),
    file("kept.bin", 1_000_000, { source: SOURCES.big }),
    file("large.bin", LARGE_BYTES),
    file("filtered.txt", 5, { flags: ROW_FILTERED }),
    file("owned", 10, { mode: 0o755, uid: 1234, gid: 4321, mtime: 12 }),
    file("hard1", 20, { group: 1 }),
    file("dir/hard2", 20, { group: 1 }),
    { path: "link", kind: "symlink", target: "hello.txt", mtime: MTIME },
    { path: "dangling", kind: "symlink", target: "no/where", mtime: MTIME },
    { path: "void", kind: "directory", mtime: MTIME },
    file(LONG_NAME, 3),
    file(`${DEEP}/end`, 7),
    ...ODD_NAMES.map((name) => file(`odd/${name}`, 4)),
    file(new Uint8Array(Buffer.concat([Buffer.from("raw/"), ODD_BYTES])), 4),
    ...Array.from({ length: many }, (_, at) => file(`many/f${at}`, at)),
    { path: ".oci", kind: "directory", ...hidden },
    file(".oci/manifest.json", 100),
    file(".oci/layers/sha256-aa", 50),
    file(".oci/stats.json", 0, { source: SOURCES.live, flags: ROW_LIVE }),
  ];
}

export interface MemoryServed {
  readonly served: Served;
  /** Opens without a release. */
  readonly openFiles: () => number;
  readonly reads: () => number;
  /** What live files hold. */
  live: string;
  /** Whether reads of `failing.bin` fail, and those of `waiting.bin` wait. */
  failing: boolean;
  waiting: boolean;
}

/** A tree whose content is computed, with the switches that faults need. */
export function servedMemory(entries: readonly TreeEntry[]): MemoryServed {
  const text = (value: string): Uint8Array => Buffer.from(value);
  const described = [
    { name: "user.oci.digest", value: text("sha256:aa") },
    { name: "user.oci.mediatype", value: text("text/plain") },
    { name: "user.oci.verified" },
    { name: "user.oci.cached" },
    { name: "user.oci.annotation.org.example.note", value: text("größe") },
  ];
  const sources = Object.values(SOURCES).map((source) => (source === SOURCES.described ? described : []));
  const tree = openTree(buildTree(entries, { sources, directoryMode: 0o555, mtime: MTIME }));
  const open = new Map<number, Row>();
  let reads = 0;
  const memory: MemoryServed = {
    live: "first",
    failing: false,
    waiting: false,
    openFiles: () => open.size,
    reads: () => reads,
    served: {
      tree,
      slots: new SharedArrayBuffer(4 * Math.max(1, tree.sources)),
      warm: undefined,
      open: (row, handle) => {
        open.set(handle, row);
        const kind: OpenKind = Buffer.from(tree.name(row)).toString() === "kept.bin" ? "keep" : "direct";
        return { kind };
      },
      release: (_row, handle) => void open.delete(handle),
      touched: () => undefined,
      liveSize: () => Buffer.byteLength(memory.live),
      liveXattr: (row, name) => {
        if (tree.source(row) !== SOURCES.described) return undefined;
        return name === "user.oci.verified" ? text("transport") : name === "user.oci.cached" ? text("0") : undefined;
      },
      read: async (row, range, from) => {
        reads += 1;
        const source = tree.source(row);
        if ((tree.flags(row) & ROW_LIVE) !== 0) return Buffer.from(memory.live).subarray(range.start, range.end);
        if (source === SOURCES.failing && memory.failing) throw new RiffleError("unreachable", "no registry");
        if (source === SOURCES.waiting && memory.waiting) await aborted(from.signal);
        const end = Math.min(range.end, tree.size(row));
        return isEmpty({ start: range.start, end }) ? new Uint8Array(0) : pattern(source, range.start, end);
      },
    },
  };
  return memory;
}

/** Never resolves; a test that waits without a signal ends by an abort of the mount. */
function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(abortError(signal)), { once: true });
  });
}

export function memoryStats(memory: MemoryServed, mounted: Mounted, mountpoint: string): ArtifactStats {
  const byKind = { token: 0, manifest: 0, blob: 0, other: 0 };
  return {
    reference: "localhost:5000/eo/memory",
    digest: `sha256:${"a".repeat(64)}`,
    mountpoint,
    pid: process.pid,
    backend: mounted.backend,
    state: "ready",
    since: "2026-01-01T00:00:00Z",
    files: 1,
    size: 1,
    reads: memory.reads(),
    bytesRead: 0,
    bytesFromCache: 0,
    requests: 0,
    requestsByKind: byKind,
    bytesFetched: 0,
    bytesFetchedByKind: byKind,
    bytesVerified: 0,
    retries: 0,
    hedged: 0,
    errors: 0,
    passthrough: mounted.passthrough,
    amplification: null,
    cache: { bytes: 0, limit: 0 },
    prefetch: null,
  };
}

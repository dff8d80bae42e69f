import { RiffleError } from "../errors.ts";
import { cachedSource } from "../fetch/cached-source.ts";
import { createCostModel, frugalCost, type CostModel } from "../fetch/cost.ts";
import { hedgedSource } from "../fetch/hedged-source.ts";
import { createHedges } from "../fetch/hedges.ts";
import type { FormatHint } from "../formats/formats.ts";
import type { TreePlan } from "../layers/plain-layers.ts";
import { isDirectory, isFile, pathOf, resolvePath, treeTotals, walk } from "../layers/tree-paths.ts";
import { S_IFLNK, type Row, type TreeTable } from "../layers/tree.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { MirroredRegistry } from "../registry/mirrored-registry.ts";
import type { Registry } from "../registry/registry.ts";
import type { Accounting, ArtifactStats, MountFacts } from "./accounting.ts";
import { artifactFile, type ArtifactFile } from "./artifact-file.ts";
import type { Artifact, Entry } from "./artifact.ts";
import { Content, type Mismatches } from "./content.ts";
import { Contents } from "./contents.ts";
import type { Engine, Log } from "./engine.ts";
import { ContentExtents } from "./content-extents.ts";
import { ErrorList } from "./error-list.ts";
import { startFilling, type FillAhead, type FillTarget, type Prefetch } from "./fill-ahead.ts";
import { ExtentTables } from "./extent-tables.ts";
import { formatReaders } from "./format-readers.ts";
import { LiveFiles } from "./live-files.ts";
import { serve } from "./serve.ts";
import type { TraceFile } from "./trace-file.ts";

export interface ArtifactParts {
  /** Pinned. */
  readonly reference: string;
  readonly manifest: Manifest;
  readonly plan: TreePlan;
  readonly tree: TreeTable;
  readonly registry: Registry;
  /** What `registry` asks before the registry itself. */
  readonly mirrors?: Pick<MirroredRegistry, "reports" | "distrust">;
  readonly engine: Engine;
  readonly ownsEngine: boolean;
  readonly accounting: Accounting;
  readonly log: Log;
  readonly frugal: boolean;
  readonly extents: boolean;
  /** What is fetched before it is asked for. */
  readonly prefetch: Prefetch;
  readonly timeoutMs?: number;
  readonly trace?: TraceFile;
}

const FORMAT_BITS = 0o170000;
/** The used bytes of a cache are counted by a walk: how old a count may be in `stats`. */
const CACHE_STATUS_AGE_MS = 5000;

/** The one place where the read path is put together: registry, requests, cache, tree, counts. */
export async function readableArtifact(parts: ArtifactParts): Promise<Artifact> {
  const { tree, plan, accounting, engine, registry, manifest } = parts;
  const errors = new ErrorList();
  const cacheStatus = recentStatus(engine, () => accounting.blobBytes);
  const since = new Date().toISOString();
  const totals = treeTotals(tree);
  let mounted: (() => MountFacts) | undefined;
  let filling: FillAhead | undefined;
  const stats = (): ArtifactStats =>
    accounting.stats(
      { reference: parts.reference, digest: manifest.descriptor.digest, pid: process.pid, since },
      { files: totals.files, size: totals.size },
      { mount: mounted?.(), cache: cacheStatus(), prefetch: filling?.progress() },
    );
  const live = new LiveFiles({
    "stats.json": () => `${JSON.stringify(stats(), undefined, 2)}\n`,
    errors: () => errors.text(),
  });
  const tables = parts.extents ? new ExtentTables({ log: (message) => parts.log("debug", message) }) : undefined;
  const slots = new SharedArrayBuffer(Math.max(1, plan.sources.length) * Int32Array.BYTES_PER_ELEMENT);
  const cost = parts.frugal ? frugalCost() : createCostModel();
  const contents = new Contents({
    descriptors: plan.sources.map((source) => (source.kind === "blob" ? source.descriptor : undefined)),
    slots: new Int32Array(slots),
    create: contentFactory(parts, { errors, tables, cost, isMounted: () => mounted !== undefined }),
  });
  const served = serve({
    tree,
    sources: plan.sources,
    slots,
    warm: engine.cache.warm,
    contents,
    live,
    accounting,
    errors,
    log: parts.log,
    ...(parts.trace === undefined ? {} : { trace: parts.trace.trace }),
  });
  const nextHandle = handleNumbers();
  if (parts.prefetch !== "none") filling = fillFor(parts, contents, parts.prefetch);
  const close = async (): Promise<void> => {
    await filling?.close();
    await contents.close();
    await registry.close();
    if (parts.ownsEngine) await engine.close();
    await parts.trace?.close();
  };
  return {
    reference: parts.reference,
    digest: manifest.descriptor.digest,
    manifest,
    warnings: plan.warnings,
    unpacked: plan.unpacked,
    registry,
    served,
    entries: (path = "") => entriesBelow(parts, path),
    entry: (path) => {
      const row = resolvePath(tree, path);
      return row === undefined ? undefined : entryOf(parts, row);
    },
    file: (path): ArtifactFile => {
      const row = rowAt(tree, path);
      if (!isFile(tree, row)) throw new RiffleError("usage", `not a file: ${path}`, { hint: "name a file in it" });
      const digest = digestOfRow(parts, row) ?? "";
      return artifactFile({ served, row, path: pathOf(tree, row), digest, size: served.liveSize(row), nextHandle });
    },
    ...formatReaders({ reference: parts.reference, tree, plan, served, cost, nextHandle, threads: engine.threads }),
    stats,
    mirrors: () => parts.mirrors?.reports() ?? [],
    errors: () => errors.text(),
    mounted: (facts) => {
      mounted = facts;
      if (facts !== undefined) tables?.warm(fileHints(parts));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function contentFactory(
  parts: ArtifactParts,
  options: {
    readonly errors: ErrorList;
    readonly tables: ExtentTables | undefined;
    readonly cost: CostModel;
    readonly isMounted: () => boolean;
  },
): (blob: Descriptor, onChange: () => void) => Content {
  const { errors, tables, cost, isMounted } = options;
  const { engine, registry, accounting, log, frugal, timeoutMs, trace } = parts;
  const mismatches: Mismatches = new Map();
  const hedges = frugal
    ? undefined
    : createHedges({ refusals: () => accounting.refusals, onHedge: () => accounting.hedge() });
  return (descriptor, onChange) => {
    const blob = registry.blob(descriptor);
    const path = registry.blobPath?.(descriptor);
    const entry =
      path === undefined
        ? engine.cache.open(descriptor.digest, descriptor.size)
        : engine.cache.attach(descriptor.digest, descriptor.size, path);
    const source = cachedSource({
      source: hedges === undefined || path !== undefined ? blob : hedgedSource(blob, { hedges }),
      entry,
      limiter: engine.limiter,
      budget: engine.budget,
      cost,
      frugal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(trace === undefined ? {} : { trace: trace.trace }),
      log: (level, message) => log(level, message),
      onWait: () => engine.demand.begin(),
    });
    const onMismatch = (error: RiffleError): void => {
      accounting.error();
      errors.add(descriptor.digest, error);
      // Programs behind a mount may have been given wrong bytes; commands and the library check what they give, and say it themselves.
      log(isMounted() ? "error" : "info", error.message);
    };
    const units = tables === undefined ? {} : { extents: new ContentExtents({ source, entry, tables }) };
    const { mirrors } = parts;
    const others = mirrors === undefined ? {} : { distrust: () => mirrors.distrust(descriptor.digest) };
    return new Content({ descriptor, entry, source, mismatches, onMismatch, onChange, ...units, ...others });
  };
}

/** Every file of the tree once, whatever it is called, in the order of the tree. */
function fillFor(parts: ArtifactParts, contents: Contents, mode: "hints" | "all"): FillAhead {
  const { tree, plan, engine, log } = parts;
  const targets = new Map<string, FillTarget>();
  for (const row of walk(tree)) {
    const source = plan.sources[tree.source(row)];
    if (!isFile(tree, row) || source?.kind !== "blob") continue;
    const range = { start: tree.offset(row), end: tree.offset(row) + tree.size(row) };
    const { digest, mediaType } = source.descriptor;
    const hint = { name: Buffer.from(tree.name(row)).toString(), mediaType };
    const key = `${digest} ${range.start} ${range.end}`;
    if (!targets.has(key)) targets.set(key, { source: tree.source(row), range, hint });
  }
  return startFilling({
    mode,
    targets: [...targets.values()],
    contents,
    demand: engine.demand,
    limitBytes: async () => (await engine.cache.status()).limit,
    log,
  });
}

/** What files that are whole blobs are called. */
function* fileHints({ tree, plan }: ArtifactParts): Generator<FormatHint> {
  for (let row = 0; row < tree.rows; row++) {
    const source = plan.sources[tree.source(row)];
    if (source?.kind !== "blob" || tree.size(row) !== source.descriptor.size) continue;
    yield { name: Buffer.from(tree.name(row)).toString(), mediaType: source.descriptor.mediaType };
  }
}

function handleNumbers(): () => number {
  // Below zero: front ends number their opens upwards from one.
  let last = 0;
  return () => (last -= 1);
}

function rowAt(tree: TreeTable, path: string): Row {
  const row = resolvePath(tree, path);
  if (row === undefined) throw new RiffleError("not-found", `no such path in the artifact: ${path}`);
  return row;
}

function digestOfRow({ plan, tree }: ArtifactParts, row: Row): string | undefined {
  const source = plan.sources[tree.source(row)];
  return source === undefined || source.kind === "live" ? undefined : source.descriptor?.digest;
}

function entryOf(parts: ArtifactParts, row: Row): Entry {
  const { tree } = parts;
  const digest = isFile(tree, row) ? digestOfRow(parts, row) : undefined;
  const target = tree.target(row);
  const isLink = (tree.mode(row) & FORMAT_BITS) === S_IFLNK;
  return {
    path: pathOf(tree, row),
    type: isDirectory(tree, row) ? "directory" : isLink ? "symlink" : "file",
    size: isDirectory(tree, row) ? 0 : tree.size(row),
    mode: tree.mode(row) & 0o7777,
    mtime: tree.mtime(row),
    ...(digest === undefined ? {} : { digest }),
    ...(target === undefined ? {} : { target: new TextDecoder().decode(target) }),
  };
}

function* entriesBelow(parts: ArtifactParts, path: string): Generator<Entry> {
  const top = rowAt(parts.tree, path);
  for (const row of walk(parts.tree, top)) if (row !== top) yield entryOf(parts, row);
}

/**
 * The cache's usage without waiting: the last count and what was fetched since, counted again in the background. Other
 * processes' doings show with the next count.
 */
function recentStatus(
  engine: Engine,
  fetchedBytes: () => number,
): () => { readonly bytes: number; readonly limit: number } {
  let last = { bytes: 0, limit: engine.cacheBytes, fetchedBefore: 0 };
  let at = 0;
  const renew = async (): Promise<void> => {
    at = Date.now();
    const before = fetchedBytes();
    const { bytes, limit, directory } = await engine.cache.status();
    // Memory is counted at once, and drops what it cannot hold.
    last = { bytes, limit, fetchedBefore: directory === undefined ? Number.POSITIVE_INFINITY : before };
  };
  void renew().catch(() => undefined);
  return () => {
    if (Date.now() - at > CACHE_STATUS_AGE_MS) void renew().catch(() => undefined);
    const { bytes, limit, fetchedBefore } = last;
    return { bytes: bytes + Math.max(0, fetchedBytes() - fetchedBefore), limit };
  };
}

import { abortError, RiffleError } from "../errors.ts";
import { openDocuments, type Documents } from "../cache/documents.ts";
import { contentEntries, parsePlatform, selectPlatform } from "../oci/platform.ts";
import { parseReference, pinnedReference, type Reference } from "../oci/reference.ts";
import type { Descriptor, Platform } from "../oci/descriptor.ts";
import { MAX_INDEX_DEPTH } from "../oci/parse-manifest.ts";
import type { ImageManifest, IndexManifest, Manifest } from "../oci/manifest.ts";
import { buildPlannedTree, planTree, type IndexEntry, type TreePlan } from "../layers/plain-layers.ts";
import { filterTree } from "../layers/tree-filter.ts";
import { openTree } from "../layers/tree-table.ts";
import type { Mirrors } from "../registry/mirror.ts";
import type { MirroredRegistry } from "../registry/mirrored-registry.ts";
import { openMirrored } from "../registry/open-mirrored.ts";
import { openRegistry, type RegistryOptions } from "../registry/open-registry.ts";
import type { Credential, CredentialSource } from "../registry/credential.ts";
import type { Registry } from "../registry/registry.ts";
import { offlineRegistry, rememberingRegistry } from "../registry/remembered.ts";
import { Accounting } from "./accounting.ts";
import type { Artifact } from "./artifact.ts";
import { createEngine, type Engine, type EngineOptions } from "./engine.ts";
import type { Prefetch } from "./fill-ahead.ts";
import { readableArtifact } from "./readable-artifact.ts";
import type { TraceFile } from "./trace-file.ts";
import type { ListingProgress, Unpack } from "./unpack-layers.ts";

export interface OpenOptions extends EngineOptions {
  /** Shared with other artifacts and left open by `close`; `cacheDir` and `cacheBytes` are then its own. */
  readonly engine?: Engine;
  /** `OS/ARCH[/VARIANT]`, for an index; default this machine's. */
  readonly platform?: string;
  readonly plainHttp?: boolean;
  readonly insecure?: boolean;
  readonly caFile?: string;
  /** Given, or asked for, at the registry's first challenge; anonymous without them. */
  readonly credentials?: Credential | CredentialSource;
  /** Hosts that are asked before the reference's own, by that host. */
  readonly mirrors?: Mirrors;
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  readonly proxies?: Readonly<Record<string, string | undefined>>;
  /** Bounds every wait. Default 60 s. */
  readonly timeoutMs?: number;
  /** No request: what the cache holds and remembers, and `unreachable` at once for everything else. */
  readonly offline?: boolean;
  /** Never fetch a byte that no read asked for. */
  readonly frugal?: boolean;
  /** Look into files of known formats, so that reads have their units whole. Default true. */
  readonly extents?: boolean;
  /**
   * What is fetched in the background before it is asked for, behind every reader: nothing, what formats say is read first
   * (indexes), everything that the tree shows. Default `none`; nothing in any case `offline` and `frugal`.
   */
  readonly prefetch?: Prefetch;
  /**
   * Which layers are shown as directories of what they hold: `all` tar layers, or none. They are listed before this
   * resolves. Default `auto`: none for now.
   */
  readonly unpack?: Unpack;
  /** Called while archives are listed. */
  readonly onListing?: (progress: ListingProgress) => void;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly subpath?: string;
  /**
   * A file that gets one JSON line for each read and each request (docs/TRACE.md). So that none is missed, every read
   * passes the process that serves: nothing is answered by other threads or by the kernel alone.
   */
  readonly traceFile?: string;
  /** The name of the errno that a failed read becomes, for the trace. */
  readonly errnoOf?: (error: unknown) => string;
  /** Ends the opening; what is opened lives on. */
  readonly signal?: AbortSignal;
}

/** How many manifests of an index are fetched at once. */
const MANIFESTS_AT_ONCE = 8;

/**
 * Resolves a reference, pins its digest, and fetches the manifest (those of all entries, for an index without platforms):
 * one request where the registry asks for no token, and those that list archives with `unpack`. Rejects
 * with RiffleErrors and leaves nothing open then.
 */
export async function openArtifact(text: string, options: OpenOptions = {}): Promise<Artifact> {
  const reference = parseReference(text);
  const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
  const accounting = new Accounting();
  const documents = options.cacheDir === undefined ? undefined : openDocuments(options.cacheDir);
  const trace = await traceOf(text, options);
  const { registry, mirrors } = registryOf(reference, options, { accounting, documents, trace });
  let engine: Engine | undefined;
  try {
    const resolved = await registry.resolve(reference, waiting(options));
    const manifest = await manifestFor(resolved, registry, { platform, ...waiting(options) });
    const documentsOfTree = await treeDocuments(manifest, registry, options);
    engine = options.engine ?? (await createEngine(options));
    const { digest } = manifest.descriptor;
    const plan = await planArtifact(documentsOfTree, pinnedReference(reference, digest), { registry, engine, options });
    documents?.save();
    if (options.signal?.aborted === true) throw abortError(options.signal);
    return readableArtifact({
      reference: pinnedReference(reference, digest),
      manifest,
      plan,
      tree: openTree(viewOf(buildPlannedTree(plan), options)),
      registry,
      ...(mirrors === undefined ? {} : { mirrors }),
      engine,
      ownsEngine: options.engine === undefined,
      accounting,
      log: options.log ?? (() => undefined),
      frugal: options.frugal ?? false,
      extents: options.extents ?? true,
      prefetch: prefetchOf(options, reference),
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      ...(trace === undefined ? {} : { trace }),
    });
  } catch (error) {
    await registry.close();
    await trace?.close();
    if (options.engine === undefined) await engine?.close();
    throw error;
  }
}

async function traceOf(reference: string, options: OpenOptions): Promise<TraceFile | undefined> {
  const { traceFile, errnoOf, log } = options;
  if (traceFile === undefined) return undefined;
  const { openTraceFile } = await import("./trace-file.ts");
  const file = openTraceFile(traceFile, {
    warn: (message) => log?.("warn", message),
    ...(errnoOf === undefined ? {} : { errnoOf }),
  });
  file.trace.write({ type: "start", version: 1, time: new Date().toISOString(), reference, pid: process.pid });
  return file;
}

function prefetchOf(options: OpenOptions, reference: Reference): Prefetch {
  const { prefetch = "none", offline = false, frugal = false, log } = options;
  if (prefetch === "none" || offline || reference.kind === "layout") return "none";
  if (frugal) log?.("warn", "nothing is prefetched: --frugal fetches only what is read");
  return frugal ? "none" : prefetch;
}

function registryOf(
  reference: Reference,
  options: OpenOptions,
  parts: {
    readonly accounting: Accounting;
    readonly documents: Documents | undefined;
    readonly trace: TraceFile | undefined;
  },
): { readonly registry: Registry; readonly mirrors?: MirroredRegistry } {
  const { accounting, documents, trace } = parts;
  if (reference.kind === "layout") return { registry: openRegistry(reference) };
  if (options.offline === true) return { registry: offlineRegistry(reference, documents) };
  const mirrors = options.mirrors?.[reference.host] ?? [];
  const how = registryOptions(options, accounting, trace);
  const mirrored = mirrors.length === 0 ? undefined : openMirrored(reference, mirrors, how);
  const registry = mirrored?.registry ?? openRegistry(reference, how);
  return {
    registry: documents === undefined ? registry : rememberingRegistry(registry, documents),
    ...(mirrored === undefined ? {} : { mirrors: mirrored }),
  };
}

/** The manifest behind a descriptor; of an index with platforms the entry for `platform`, through indexes of indexes. */
async function manifestFor(
  resolved: Descriptor,
  registry: Registry,
  options: { readonly platform: Platform | undefined; readonly signal?: AbortSignal },
): Promise<Manifest> {
  let manifest = await registry.manifest(resolved, options);
  for (let depth = 0; manifest.kind === "index"; depth += 1) {
    const chosen = selectPlatform(manifest, options.platform);
    if (chosen === undefined) return manifest;
    if (depth === MAX_INDEX_DEPTH) {
      throw new RiffleError(
        "malformed",
        `indexes lie more than ${MAX_INDEX_DEPTH} deep in each other: ${resolved.digest}`,
      );
    }
    manifest = await registry.manifest(chosen, options);
  }
  return manifest;
}

function waiting(options: OpenOptions): { readonly signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}

function registryOptions(options: OpenOptions, accounting: Accounting, trace: TraceFile | undefined): RegistryOptions {
  const { plainHttp, insecure, caFile, proxies, credentials, timeoutMs, log } = options;
  return {
    meter: accounting,
    http: {
      ...(insecure === undefined ? {} : { insecure }),
      ...(trace === undefined ? {} : { trace: trace.trace }),
      ...(caFile === undefined ? {} : { caFile }),
      ...(proxies === undefined ? {} : { proxies }),
      ...(timeoutMs === undefined ? {} : boundedWaits(timeoutMs)),
    },
    ...(plainHttp === undefined ? {} : { plainHttp }),
    ...(credentials === undefined
      ? {}
      : { credentials: typeof credentials === "function" ? credentials : () => Promise.resolve(credentials) }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(log === undefined ? {} : { log: (level, message) => log(level, message) }),
  };
}

/** No single wait is longer than the bound on all of them. */
function boundedWaits(timeoutMs: number): Record<"connectTimeoutMs" | "firstByteTimeoutMs" | "stallTimeoutMs", number> {
  const within = (ms: number): number => Math.min(ms, timeoutMs);
  return { connectTimeoutMs: within(10_000), firstByteTimeoutMs: within(30_000), stallTimeoutMs: within(30_000) };
}

/** What a tree is planned from. */
interface TreeDocuments {
  readonly manifest: Manifest;
  /** Of an index: the manifests behind it. */
  readonly entries?: readonly IndexEntry[];
}

async function treeDocuments(manifest: Manifest, registry: Registry, options: OpenOptions): Promise<TreeDocuments> {
  return manifest.kind === "manifest"
    ? { manifest }
    : { manifest, entries: await indexEntries(manifest, registry, options) };
}

async function planArtifact(
  documents: TreeDocuments,
  reference: string,
  {
    registry,
    engine,
    options,
  }: { readonly registry: Registry; readonly engine: Engine; readonly options: OpenOptions },
): Promise<TreePlan> {
  const { manifest, entries } = documents;
  const planned = { reference, ...(entries === undefined ? {} : { entries }) };
  if (options.unpack !== "all") return planTree(manifest, planned);
  const manifests = manifest.kind === "manifest" ? [manifest] : (entries ?? []).map((entry) => entry.manifest);
  const { unpackLayers } = await import("./unpack-layers.ts");
  const archives = await unpackLayers(
    manifests.flatMap(({ layers }) => layers),
    {
      registry,
      engine,
      log: options.log ?? (() => undefined),
      ...waiting(options),
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      ...(options.onListing === undefined ? {} : { onProgress: options.onListing }),
    },
  );
  return planTree(manifest, { ...planned, archives });
}

async function indexEntries(index: IndexManifest, registry: Registry, options: OpenOptions): Promise<IndexEntry[]> {
  const descriptors = contentEntries(index);
  const entries: IndexEntry[] = [];
  for (let at = 0; at < descriptors.length; at += MANIFESTS_AT_ONCE) {
    const batch = descriptors.slice(at, at + MANIFESTS_AT_ONCE);
    const manifests = await Promise.all(batch.map((entry) => leafManifest(entry, registry, options)));
    entries.push(...batch.map((descriptor, i) => ({ descriptor, manifest: manifests[i] as ImageManifest }))); // same length
  }
  return entries;
}

async function leafManifest(entry: Descriptor, registry: Registry, options: OpenOptions): Promise<ImageManifest> {
  const manifest = await registry.manifest(entry, waiting(options));
  if (manifest.kind === "manifest") return manifest;
  throw new RiffleError("malformed", `the index holds another index: ${entry.digest}`, {
    hint: "name that index by its digest",
  });
}

function viewOf(buffer: SharedArrayBuffer, options: OpenOptions): SharedArrayBuffer {
  const { include = [], exclude = [], subpath } = options;
  if (include.length === 0 && exclude.length === 0 && subpath === undefined) return buffer;
  return filterTree(buffer, { include, exclude, ...(subpath === undefined ? {} : { subpath }) });
}

import type { Digest } from "../bytes/digest.ts";
import { Limiter } from "../bytes/limiter.ts";
import { memorySource, type RangeSource } from "../bytes/source.ts";
import { abortError, isRiffleError } from "../errors.ts";
import { cachedSource } from "../fetch/cached-source.ts";
import { archiveKind, KIND_BYTES } from "../layers/archive-kind.ts";
import type { ArchiveOutcome } from "../layers/archive-listing.ts";
import { blobSource } from "../layers/sources.ts";
import { scanTar } from "../layers/tar/scan.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Registry } from "../registry/registry.ts";
import type { Engine, Log } from "./engine.ts";

/** Which archives are shown as directories. `auto` will be images and layers that ask for it; for now it is `none`. */
export type Unpack = "auto" | "all" | "none";

/** How far the listing of archives is. */
export interface ListingProgress {
  readonly layers: number;
  readonly layersDone: number;
  readonly bytes: number;
  /** Bytes of archives that are listed: most of them are never fetched. */
  readonly bytesDone: number;
}

export interface UnpackParts {
  readonly registry: Registry;
  readonly engine: Engine;
  readonly log: Log;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly onProgress?: (progress: ListingProgress) => void;
}

/** Each waits for one request most of the time; together they hold a window of each archive at most. */
const LAYERS_AT_ONCE = 16;
/**
 * Contents below it are read through. The least of what gaps are joined over elsewhere, twice: a listing pays for each of
 * thousands of gaps, a read for one.
 */
const GAP_BYTES = 128 * 1024;

/**
 * Looks into each layer once and lists those that are archives. The first failure that is not the archive's own ends all:
 * a tree that lacks what could not be fetched would be a wrong one.
 */
export async function unpackLayers(
  layers: readonly Descriptor[],
  parts: UnpackParts,
): Promise<ReadonlyMap<Digest, ArchiveOutcome>> {
  const different = new Map(layers.map((layer) => [layer.digest, layer]));
  const report = progressOf([...different.values()], parts);
  // One for each layer under way: a signal that hundreds listen to warns of a leak.
  const stops = new Set<AbortController>();
  let isOver = false;
  const onAbort = (): void => {
    isOver = true;
    for (const stop of stops) stop.abort(parts.signal?.reason);
  };
  parts.signal?.addEventListener("abort", onAbort, { once: true });
  if (parts.signal?.aborted === true) onAbort();
  const limiter = new Limiter(LAYERS_AT_ONCE);
  const outcomes = new Map<Digest, ArchiveOutcome>();
  const one = async (layer: Descriptor): Promise<void> => {
    if (isOver) return;
    const stop = new AbortController();
    stops.add(stop);
    try {
      const outcome = await unpackLayer(layer, { ...parts, signal: stop.signal }, (bytes) => report.at(layer, bytes));
      if (outcome !== undefined) outcomes.set(layer.digest, outcome);
      report.done(layer);
    } finally {
      stops.delete(stop);
    }
  };
  const jobs = [...different.values()].map((layer) => limiter.run(() => one(layer)));
  try {
    await Promise.all(jobs);
    if (parts.signal?.aborted === true) throw abortError(parts.signal);
    return outcomes;
  } finally {
    parts.signal?.removeEventListener("abort", onAbort);
    onAbort();
    await Promise.allSettled(jobs);
  }
}

async function unpackLayer(
  layer: Descriptor,
  parts: UnpackParts,
  onProgress: (bytes: number) => void,
): Promise<ArchiveOutcome | undefined> {
  const opened = openLayer(layer, parts);
  const { source } = opened;
  const signal = parts.signal === undefined ? {} : { signal: parts.signal };
  try {
    const start = await source.read({ start: 0, end: Math.min(KIND_BYTES, source.size) }, signal);
    const kind = archiveKind(start, layer);
    if (kind === undefined) return undefined;
    if (kind !== "tar") return { kind: "kept", reason: `${kind} layers cannot be unpacked yet` };
    const listing = await scanTar(source, { gapBytes: () => GAP_BYTES, onProgress, ...signal });
    return { kind: "unpacked", listing };
  } catch (error) {
    if (isRiffleError(error) && error.code === "malformed") return { kind: "kept", reason: error.message };
    throw error;
  } finally {
    await opened.close();
  }
}

interface OpenedLayer {
  readonly source: RangeSource;
  close(): Promise<void>;
}

/** Through the cache, and frugally: what is to be read of an archive is decided by its scan alone. */
function openLayer(layer: Descriptor, { registry, engine, log, timeoutMs }: UnpackParts): OpenedLayer {
  const known = blobSource(layer);
  if (known.kind === "inline") {
    const source = memorySource(layer.digest, known.bytes);
    return { source, close: () => Promise.resolve() };
  }
  const path = registry.blobPath?.(layer);
  const entry =
    path === undefined
      ? engine.cache.open(layer.digest, layer.size)
      : engine.cache.attach(layer.digest, layer.size, path);
  const source = cachedSource({
    source: registry.blob(layer),
    entry,
    limiter: engine.limiter,
    budget: engine.budget,
    frugal: true,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    log: (level, message) => log(level, message),
  });
  const close = async (): Promise<void> => {
    await source.close();
    entry.close();
  };
  return { source, close };
}

interface Report {
  at(layer: Descriptor, bytes: number): void;
  done(layer: Descriptor): void;
}

function progressOf(layers: readonly Descriptor[], { onProgress }: UnpackParts): Report {
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  const reached = new Map<Digest, number>();
  let bytesDone = 0;
  let layersDone = 0;
  const at = (layer: Descriptor, bytes: number): void => {
    bytesDone += bytes - (reached.get(layer.digest) ?? 0);
    reached.set(layer.digest, bytes);
    onProgress?.({ layers: layers.length, layersDone, bytes: total, bytesDone });
  };
  return {
    at,
    done: (layer) => {
      layersDone += 1;
      at(layer, layer.size);
    },
  };
}

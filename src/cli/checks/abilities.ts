import type { Artifact } from "../../artifact/artifact.ts";
import type { RiffleError } from "../../errors.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Registry } from "../../registry/registry.ts";
import { asRiffleError } from "../exit.ts";

/** What was seen of a registry, or of a layout directory. Words for people and scripts alike. */
export interface RegistryFacts {
  readonly kind: "registry" | "layout";
  /** `yes`: a part of a blob comes alone; `no`: all of it comes; `unknown`: there was no blob to ask for. */
  readonly ranges: "yes" | "no" | "unknown" | "failed";
  readonly referrers: "yes" | "none" | "failed";
}

export interface Probe {
  readonly facts: RegistryFacts;
  readonly referrers: readonly Descriptor[];
  readonly failures: readonly RiffleError[];
}

/**
 * Asks for the last byte of the largest layer: whether anything else comes with it is the one test of ranges that holds
 * (headers say little, see `Accept-Ranges` in practice). Moves one byte, or as much of the layer as comes before we leave.
 */
export async function probeRanges(
  registry: Registry,
  layers: readonly Descriptor[],
  signal: AbortSignal,
): Promise<"yes" | "no" | "unknown"> {
  const largest = layers.reduce<Descriptor | undefined>(
    (a, b) => (a === undefined || b.size > a.size ? b : a),
    undefined,
  );
  if (largest === undefined || largest.size < 2) return "unknown";
  const range = { start: largest.size - 1, end: largest.size };
  const enough = new AbortController();
  let others = false;
  const sink = (offset: number): void => {
    if (offset >= range.start) return;
    others = true;
    enough.abort();
  };
  try {
    await registry.blob(largest).stream(range, sink, { signal: AbortSignal.any([signal, enough.signal]) });
  } catch (error) {
    if (signal.aborted || !enough.signal.aborted) throw error;
  }
  return others ? "no" : "yes";
}

/** What a registry can do, by trying it; a failure is a fact here, except for an interruption. */
export async function probeRegistry(
  artifact: Artifact,
  layers: readonly Descriptor[],
  signal: AbortSignal,
): Promise<Probe> {
  const { registry } = artifact;
  const failures: RiffleError[] = [];
  const attempt = async <T>(work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      signal.throwIfAborted();
      failures.push(asRiffleError(error));
      return undefined;
    }
  };
  const kind = registry.blobPath === undefined ? "registry" : "layout";
  const ranges = await attempt(probeRanges(registry, layers, signal));
  const referrers = await attempt(registry.referrers(artifact.manifest.descriptor.digest, { signal }));
  const answer = referrers === undefined ? "failed" : referrers.length === 0 ? "none" : "yes";
  return { facts: { kind, ranges: ranges ?? "failed", referrers: answer }, referrers: referrers ?? [], failures };
}

import type { HttpResponse } from "../fetch/http.ts";
import { isRedirect, MAX_HOPS, redirectTarget, statedExpiry } from "../fetch/redirect.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { RegistryReference } from "../oci/reference.ts";
import type { RegistryConnection } from "./open-registry.ts";

/** Small ranges of one blob that were asked for at the same time. */
export interface ParallelProbe {
  readonly asked: number;
  /** With 206. */
  readonly answered: number;
  /** With 429 or 503: too many at once. */
  readonly refused: number;
  /** How many were served at the same time, by the clock: near 1 where they were served one after another. */
  readonly atOnce: number;
}

interface ProbeOptions extends RegistryConnection {
  readonly thorough: boolean;
  readonly now?: () => number;
}

/** As many as riffle asks for at once of one blob (fetch/cached-source.ts). */
const PARALLEL = 8;
const PARALLEL_BYTES = 256;

export interface BlobFacts {
  /** What a closed range of a blob is answered with; absent without a blob. */
  readonly ranges?: "partial" | "whole" | "refused";
  /** Its status; absent without a blob. */
  readonly rangeStatus?: number;
  /** The origins that a blob request is redirected to, in order; absent without a blob. */
  readonly redirects?: readonly string[];
  /** Seconds that the last of these addresses says it lives; null when it does not say; absent without a redirect. */
  readonly redirectLifeS?: number | null;
  /** The status of a HEAD of a blob; absent where it was not tried. */
  readonly headStatus?: number;
  /** What came of small ranges asked for at the same time; absent where it was not tried. */
  readonly parallel?: ParallelProbe;
}

/** What a closed range of a blob is answered with, and where it leads. */
export async function probeBlob(
  reference: RegistryReference,
  blob: Descriptor,
  options: ProbeOptions,
): Promise<BlobFacts> {
  const base = await options.endpoint.base();
  const first = new URL(`v2/${reference.repository}/blobs/${blob.digest}`, base);
  const found = await follow(first, `bytes=0-${Math.min(1, blob.size - 1)}`, options);
  const { status, url, redirects } = found;
  const now = (options.now ?? Date.now)();
  const until = statedExpiry(url);
  const facts: BlobFacts = {
    ranges: status === 206 ? "partial" : status === 200 ? "whole" : "refused",
    rangeStatus: status,
    redirects,
    ...(redirects.length === 0
      ? {}
      : { redirectLifeS: until === undefined ? null : Math.max(0, Math.round((until - now) / 1000)) }),
  };
  if (!options.thorough) return facts;
  const headers = await options.authorizer.headers(first);
  const head = await options.client.send(first, { kind: "other", method: "HEAD", headers });
  head.discard();
  // Where ranges are ignored, each try would be the whole blob.
  const parallel = status === 206 ? await probeParallel(found, blob, options) : undefined;
  return { ...facts, headStatus: head.status, ...(parallel === undefined ? {} : { parallel }) };
}

interface Place {
  readonly url: URL;
  readonly namedBy: URL | undefined;
  readonly status: number;
  readonly redirects: readonly string[];
}

/** Sends one range over redirects and one challenge. */
async function follow(first: URL, range: string, { client, authorizer }: RegistryConnection): Promise<Place> {
  const redirects: string[] = [];
  let url = first;
  let namedBy: URL | undefined;
  let isChallenged = false;
  for (;;) {
    const sent = await authorizer.headers(url);
    const named = namedBy === undefined ? {} : { namedBy };
    const response: HttpResponse = await client.send(url, { kind: "blob", headers: { ...sent, range }, ...named });
    const { status } = response;
    if (isRedirect(status) && redirects.length < MAX_HOPS) {
      response.discard();
      namedBy = url;
      url = redirectTarget(url, response.headers["location"], { status });
      redirects.push(url.origin);
      continue;
    }
    if (status === 401 && !isChallenged) {
      isChallenged = true;
      const again = await authorizer.challenged(url, response, { sent });
      if (again) {
        response.discard();
        continue;
      }
    }
    response.discard();
    return { url, namedBy, status, redirects };
  }
}

async function probeParallel(
  { url, namedBy }: Place,
  blob: Descriptor,
  { client, authorizer }: RegistryConnection,
): Promise<ParallelProbe> {
  const headers = await authorizer.headers(url);
  const ask = async (number: number): Promise<{ readonly status: number; readonly ms: number }> => {
    const start = Math.floor((blob.size * number) / PARALLEL);
    const range = `bytes=${start}-${Math.min(blob.size, start + PARALLEL_BYTES) - 1}`;
    const begun = performance.now();
    const response = await client.send(url, {
      kind: "blob",
      headers: { ...headers, range },
      ...(namedBy === undefined ? {} : { namedBy }),
    });
    response.discard();
    return { status: response.status, ms: performance.now() - begun };
  };
  const alone = await ask(0);
  const begun = performance.now();
  const answers = await Promise.all(Array.from({ length: PARALLEL }, (_, number) => ask(number)));
  const wallMs = performance.now() - begun;
  const count = (...statuses: readonly number[]): number =>
    answers.filter(({ status }) => statuses.includes(status)).length;
  const atOnce = Math.round((alone.ms * PARALLEL) / Math.max(wallMs, 0.001));
  return {
    asked: PARALLEL,
    answered: count(206),
    refused: count(429, 503),
    atOnce: Math.min(PARALLEL, Math.max(1, atOnce)),
  };
}

import type { HttpMeter, RequestKind } from "../fetch/http.ts";
import type { FillProgress } from "./fill-ahead.ts";

export type ByKind = Readonly<Record<RequestKind, number>>;

/** What a mount adds to the counters of its artifact. */
export interface MountFacts {
  readonly mountpoint: string;
  readonly backend: string;
  /** True once a file was opened for the kernel to read alone. */
  readonly passthrough: boolean;
  /** Reads that other threads answered from the cache. */
  readonly warm: WarmCounts;
}

export interface WarmCounts {
  readonly reads: number;
  readonly bytes: number;
  readonly bytesProven: number;
}

/** INTERFACE section 4: counters since the artifact was opened; integers, bytes unless named otherwise. */
export interface ArtifactStats {
  readonly reference: string;
  readonly digest: string;
  readonly mountpoint: string | null;
  readonly pid: number;
  readonly backend: string | null;
  readonly state: "ready" | "indexing" | "dead" | "hung";
  readonly since: string;
  readonly files: number;
  readonly size: number;
  readonly reads: number;
  readonly bytesRead: number;
  readonly bytesFromCache: number;
  readonly requests: number;
  readonly requestsByKind: ByKind;
  readonly bytesFetched: number;
  readonly bytesFetchedByKind: ByKind;
  readonly bytesVerified: number;
  readonly retries: number;
  /** Requests that were sent a second time because the first was late. */
  readonly hedged: number;
  readonly errors: number;
  readonly passthrough: boolean;
  /** Blob bytes fetched / bytesRead; null when nothing was read, or the kernel reads a file alone. */
  readonly amplification: number | null;
  readonly cache: { readonly bytes: number; readonly limit: number };
  /** What is fetched before it is asked for; null without `--prefetch`. */
  readonly prefetch: FillProgress | null;
}

export interface Identity {
  readonly reference: string;
  readonly digest: string;
  readonly pid: number;
  readonly since: string;
}

/** How one read was answered. */
export interface ReadOutcome {
  readonly bytes: number;
  readonly fromCache: number;
  readonly proven: number;
}

/** The counters of one artifact. Plain additions on the main thread; other threads' reads come in by `MountFacts.warm`. */
export class Accounting implements HttpMeter {
  readonly #requests: Record<RequestKind, number> = { token: 0, manifest: 0, blob: 0, other: 0 };
  readonly #fetched: Record<RequestKind, number> = { token: 0, manifest: 0, blob: 0, other: 0 };
  #reads = 0;
  #bytesRead = 0;
  #bytesFromCache = 0;
  #bytesVerified = 0;
  #retries = 0;
  #hedged = 0;
  #refusals = 0;
  #errors = 0;

  request(kind: RequestKind): void {
    this.#requests[kind] += 1;
  }

  received(kind: RequestKind, bytes: number): void {
    this.#fetched[kind] += bytes;
  }

  get blobBytes(): number {
    return this.#fetched.blob;
  }

  retry(): void {
    this.#retries += 1;
  }

  refused(): void {
    this.#refusals += 1;
  }

  /** How often a registry has said that it is asked too much. */
  get refusals(): number {
    return this.#refusals;
  }

  hedge(): void {
    this.#hedged += 1;
  }

  read(outcome: ReadOutcome): void {
    this.#reads += 1;
    this.#bytesRead += outcome.bytes;
    this.#bytesFromCache += outcome.fromCache;
    this.#bytesVerified += outcome.proven;
  }

  error(): void {
    this.#errors += 1;
  }

  stats(
    identity: Identity,
    tree: { readonly files: number; readonly size: number },
    rest: {
      readonly mount?: MountFacts | undefined;
      readonly cache: { readonly bytes: number; readonly limit: number };
      readonly prefetch?: FillProgress | undefined;
    },
  ): ArtifactStats {
    const warm = rest.mount?.warm ?? { reads: 0, bytes: 0, bytesProven: 0 };
    const passthrough = rest.mount?.passthrough ?? false;
    const bytesRead = this.#bytesRead + warm.bytes;
    const sum = (kinds: ByKind): number => kinds.token + kinds.manifest + kinds.blob + kinds.other;
    return {
      reference: identity.reference,
      digest: identity.digest,
      mountpoint: rest.mount?.mountpoint ?? null,
      pid: identity.pid,
      backend: rest.mount?.backend ?? null,
      state: "ready",
      since: identity.since,
      files: tree.files,
      size: tree.size,
      reads: this.#reads + warm.reads,
      bytesRead,
      bytesFromCache: this.#bytesFromCache + warm.bytes,
      requests: sum(this.#requests),
      requestsByKind: { ...this.#requests },
      bytesFetched: sum(this.#fetched),
      bytesFetchedByKind: { ...this.#fetched },
      bytesVerified: this.#bytesVerified + warm.bytesProven,
      retries: this.#retries,
      hedged: this.#hedged,
      errors: this.#errors,
      passthrough,
      amplification: bytesRead === 0 || passthrough ? null : Number((this.#fetched.blob / bytesRead).toFixed(4)),
      cache: rest.cache,
      prefetch: rest.prefetch ?? null,
    };
  }
}

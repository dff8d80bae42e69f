export type RegistryAuth =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** Tokens come from `/token`: from anyone who asks, or for the name and password alone where they are given. */
  | {
      readonly kind: "bearer";
      readonly username?: string;
      readonly password?: string;
      /** Life of a token, milliseconds; 300 s when absent. */
      readonly tokenMs?: number;
    };

/** What the registry is like. Plain JSON; everything but `directory` can be changed while it runs (`configure`). */
export interface RegistryOptions {
  /** Where blobs lie (an `oci:` style `blobs/` folder, kept on close); memory when absent. */
  readonly directory?: string;
  /** From the arrival of a request to the first byte of its response, milliseconds. */
  readonly latencyMs?: number;
  /** Body bytes a second on each connection; 0 or absent is no limit. */
  readonly ratePerConnection?: number;
  /** Body bytes a second over all connections. */
  readonly totalRate?: number;
  /** `false`: a Range header is ignored, every blob comes whole with 200. */
  readonly ranges?: boolean;
  /** Blob GETs are answered with 307 to a second origin, whose signed address holds for `expiresMs` (default 60 s). */
  readonly redirect?: false | { readonly expiresMs?: number };
  readonly auth?: RegistryAuth;
  /** `false`: no referrers API, as before distribution-spec 1.1; clients then use the tag schema. */
  readonly referrers?: boolean;
  /** Most tags of one page of `tags/list`; all when absent. */
  readonly tagPage?: number;
}

export const REQUEST_KINDS = ["token", "manifest", "blob", "referrers", "tags", "upload", "file", "other"] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

export interface KindCount {
  requests: number;
  /** Body bytes of responses that the client's socket has taken. */
  bytes: number;
}

/** Since the start or the last reset. */
export interface RegistryCounters {
  /** All requests; a redirect and the request that follows it are two. */
  requests: number;
  bytes: number;
  connections: number;
  /** Most requests that were being answered at one time. */
  maxConcurrent: number;
  /** Responses whose client left before the end. */
  aborted: number;
  /** Answers that sent a blob request elsewhere. */
  redirects: number;
  /** Requests that brought an `Authorization` header to the redirect's target. */
  leaks: number;
  kinds: Record<RequestKind, KindCount>;
  statuses: Record<string, number>;
}

/** One answered request, in order of arrival. */
export interface RequestRecord {
  readonly method: string;
  /** Without the query string. */
  readonly path: string;
  readonly kind: RequestKind;
  readonly status: number;
  readonly range?: string;
}

export function freshCounters(concurrent = 0): RegistryCounters {
  const kinds = Object.fromEntries(REQUEST_KINDS.map((kind) => [kind, { requests: 0, bytes: 0 }]));
  return {
    requests: 0,
    bytes: 0,
    connections: 0,
    maxConcurrent: concurrent,
    aborted: 0,
    redirects: 0,
    leaks: 0,
    // fromEntries forgets its keys; they are REQUEST_KINDS
    kinds: kinds as Record<RequestKind, KindCount>,
    statuses: {},
  };
}

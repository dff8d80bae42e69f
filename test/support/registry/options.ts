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
      /** Taken by `POST /token` with `grant_type=refresh_token`; what a POST without one, or with another, is answered. */
      readonly identityToken?: string;
      readonly postStatus?: 400 | 401 | 404 | 405;
      /** The member that holds the token; both when absent. */
      readonly member?: "token" | "access_token";
      /** `false`: the answer does not say how long the token lives. */
      readonly tellsLife?: boolean;
      /** A second challenge, Basic, in a header of its own (Gitea). */
      readonly alsoBasic?: boolean;
    };

/** What real registries do besides, or instead of, what the specification says (docs/REGISTRIES.md names them). */
export interface RegistryQuirks {
  /** Ranges of blobs: all forms; no suffixes (416), only closed ones (others 416). `ranges: false` means none. */
  readonly rangeForms?: "all" | "no-suffix" | "closed";
  /** A cold blob (one that was never sent whole) ignores ranges: a pull-through cache. */
  readonly coldWhole?: boolean;
  /** HEAD of a blob: 200; refused; 404 while the blob is cold. */
  readonly headBlob?: "refused" | "missing-when-cold";
  readonly redirectStatus?: 302 | 303 | 307;
  /** The redirect is relative, to the same host, and needs no credentials there (Google). */
  readonly redirectRelative?: boolean;
  /** Only GETs without a range are redirected (zot). */
  readonly redirectWholeOnly?: boolean;
  /** `Cache-Control` of redirects, which lies: the address expires long before. */
  readonly redirectCacheControl?: string;
  /** Manifests come without `Docker-Content-Digest`. */
  readonly noDigestHeader?: boolean;
  /** No `Accept-Ranges` though ranges work. */
  readonly noAcceptRanges?: boolean;
  /** Any `Range` on a manifest is 400. */
  readonly refusesManifestRange?: boolean;
  /** Blobs are compressed for a client that takes it. */
  readonly gzipsBlobs?: boolean;
  /** More requests at once than this are 429 with `Retry-After`. */
  readonly mostAtOnce?: number;
  /** In place of the referrers API: 404; a page to sign in at, behind a redirect; an address elsewhere that answers 429. */
  readonly referrers?: "sign-in-page" | "elsewhere-429";
}

/** What a client did that some registry punishes. */
export type Offence =
  | "credentials crossed origins"
  | "HEAD where it is refused"
  | "a suffix or open range"
  | "several ranges at once"
  | "a range on a manifest"
  | "blob bytes asked for without Accept-Encoding: identity"
  | "more than sixteen requests at once";

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
  readonly quirks?: RegistryQuirks;
  /** Of the answers to blob requests that carry bytes, counted from 1, each `every`th comes to nothing: nothing is sent, or only `afterBytes` of the body, and the connection stays open. */
  readonly stall?: false | { readonly every: number; readonly afterBytes?: number };
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
  /** Answers that were held back by `stall`. */
  stalled: number;
  /** Answers that sent a blob request elsewhere. */
  redirects: number;
  /** Requests that brought an `Authorization` header to the redirect's target. */
  leaks: number;
  /** Distinct ones. */
  offences: Offence[];
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
  /** The registry that a mirror is asked for (`?ns=`). */
  readonly ns?: string;
  readonly authorization?: string;
}

export function freshCounters(concurrent = 0): RegistryCounters {
  const kinds = Object.fromEntries(REQUEST_KINDS.map((kind) => [kind, { requests: 0, bytes: 0 }]));
  return {
    requests: 0,
    bytes: 0,
    connections: 0,
    maxConcurrent: concurrent,
    aborted: 0,
    stalled: 0,
    redirects: 0,
    leaks: 0,
    offences: [],
    // fromEntries forgets its keys; they are REQUEST_KINDS
    kinds: kinds as Record<RequestKind, KindCount>,
    statuses: {},
  };
}

/** What an HTTP request is for; the accounting of INTERFACE section 4 counts by it. */
export type RequestKind = "token" | "manifest" | "blob" | "other";

/** Counts what goes over the wire. Body bytes are counted as they arrive, also those of refused answers. */
export interface HttpMeter {
  request(kind: RequestKind): void;
  received(kind: RequestKind, bytes: number): void;
  retry(): void;
  /** An answer said that too much is asked (429, 503). */
  refused?(): void;
}

export interface HttpRequest {
  readonly kind: RequestKind;
  readonly method?: "GET" | "HEAD" | "POST";
  /** Lower-case names. `accept-encoding: identity` is always sent. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /**
   * Whose answer named this address: the last hop of a redirect, the registry for a realm or a remembered redirect. From a
   * public one, addresses inside this network are refused (`misbehaved`) before anything is sent.
   */
  readonly namedBy?: URL;
  readonly signal?: AbortSignal;
  /** Called for each hop of nothing: redirects are never followed here; a 3xx comes back as it is. */
  readonly firstByteTimeoutMs?: number;
  readonly stallTimeoutMs?: number;
}

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names; repeated headers joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** Body as it arrives; leaving the loop early ends the exchange. Rejects `timeout` on a stall, `unreachable` on a reset. */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * The body again, for bulk: each piece is given as it arrives, with no turn of the event loop between; a promise that
   * comes back holds the connection until it settles, and until then the bytes are lent. Settles as the loop over `body` would; what `take` throws ends the
   * exchange. Use one of the two, once.
   */
  each(take: (bytes: Uint8Array) => void | Promise<void>): Promise<void>;
  /** Drops the rest of the body without reading it to its end. */
  discard(): void;
}

/**
 * Sends one exchange and follows nothing. Rejects with `unreachable` (refused, unknown host, TLS, reset), `timeout`
 * (connect, first byte) or `aborted`; any status is an answer. Never sends credentials of its own.
 */
export interface HttpClient {
  send(url: URL, request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** Gives and renews the credentials of one registry's origin. */
export interface Authorizer {
  /** Headers for a request to `url`: empty for any other origin than the registry's. */
  headers(url: URL, signal?: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /**
   * Takes the 401 that answered a request with the headers `sent`; true when other credentials are worth one more try.
   * Single-flight, and nothing is asked for where what was refused is no longer what `headers` gives.
   */
  challenged(url: URL, response: HttpResponse, options: ChallengeOptions): Promise<boolean>;
}

export interface ChallengeOptions {
  readonly sent: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

import { RiffleError, type ErrorFacts } from "../errors.ts";
import type { Authorizer, HttpClient, HttpMeter, HttpResponse, RequestKind } from "../fetch/http.ts";
import { isRedirect, MAX_HOPS, redirectTarget } from "../fetch/redirect.ts";
import { retryAfterMs, withRetries, type RetryOptions } from "../fetch/retry.ts";
import { readBody } from "./body.ts";
import type { Endpoint } from "./endpoint.ts";
import { errorCodes } from "./error-body.ts";

export interface RegistryHttpOptions extends RetryOptions {
  readonly client: HttpClient;
  readonly endpoint: Endpoint;
  readonly authorizer: Authorizer;
  readonly meter?: HttpMeter;
}

export interface RegistryRequest {
  /** Below the registry's origin, without a leading slash; may hold a query. */
  readonly path: string;
  readonly kind: RequestKind;
  readonly accept: string;
  /** Begins messages, such as `the manifest of eo/scenes:v1`. */
  readonly what: string;
  readonly limit: number;
  /** Redirects with these statuses are answers, not ways. */
  readonly keepStatuses?: readonly number[];
  readonly signal?: AbortSignal;
}

export interface RegistryAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
  /** Where the answer came from, for relative links. */
  readonly url: URL;
  /** The codes of the registry's own error document, such as `NAME_UNKNOWN`. */
  readonly errors: readonly string[];
}

/** The bodies of refusals: error documents are small. */
const MAX_ERROR_BYTES = 64 * 1024;
const METADATA_ATTEMPTS = 4;

/**
 * Asks for one small document: credentials when challenged, redirects by hand without them, retries for what may pass.
 * Resolves for 2xx, 404 and other answers that a caller can judge; rejects `credentials` for 401 and 403, `misbehaved`
 * for 429 and 5xx after the last try. Never sends Range.
 */
export async function askRegistry(request: RegistryRequest, options: RegistryHttpOptions): Promise<RegistryAnswer> {
  let answer: RegistryAnswer | undefined;
  await withRetries(
    async (signal) => {
      answer = await attempt({ ...request, signal }, options);
    },
    {
      attempts: METADATA_ATTEMPTS,
      ...options,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      what: request.what,
      onRetry: () => options.meter?.retry(),
    },
  );
  if (answer === undefined) throw new RiffleError("internal", `${request.what} was not answered`);
  return answer;
}

async function attempt(request: RegistryRequest, options: RegistryHttpOptions): Promise<RegistryAnswer> {
  const base = await options.endpoint.base(request.signal);
  let url = new URL(request.path, base);
  let namedBy: URL | undefined;
  let isChallenged = false;
  for (let hops = 0; ;) {
    const sent = await options.authorizer.headers(url, request.signal);
    const response = await send(url, request, { ...options, sent, namedBy });
    const { status } = response;
    if (isRedirect(status) && request.keepStatuses?.includes(status) !== true) {
      response.discard();
      hops += 1;
      if (hops > MAX_HOPS) throw misbehaved(base, `redirects ${request.what} more than ${MAX_HOPS} times`, { status });
      namedBy = url;
      url = redirectTarget(url, response.headers["location"], { status });
      continue;
    }
    if (status === 401 && url.origin === base.origin && !isChallenged) {
      isChallenged = true;
      if (
        await options.authorizer.challenged(url, response, {
          sent,
          ...(request.signal !== undefined && { signal: request.signal }),
        })
      ) {
        response.discard();
        continue;
      }
    }
    return judge(response, url, request, options);
  }
}

function send(
  url: URL,
  request: RegistryRequest,
  options: {
    readonly client: HttpClient;
    readonly sent: Readonly<Record<string, string>>;
    readonly namedBy: URL | undefined;
  },
): Promise<HttpResponse> {
  const { client, sent, namedBy } = options;
  return client.send(url, {
    kind: request.kind,
    headers: { accept: request.accept, ...sent },
    ...(namedBy === undefined ? {} : { namedBy }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
}

async function judge(
  response: HttpResponse,
  url: URL,
  request: RegistryRequest,
  options: RegistryHttpOptions,
): Promise<RegistryAnswer> {
  const { status, headers } = response;
  const facts: ErrorFacts = { host: url.host, status };
  if (status >= 200 && status < 300) {
    const { limit, what, kind } = request;
    // A document of that size is the publisher's doing; anything else the registry's.
    const code = kind === "manifest" ? "malformed" : "misbehaved";
    const bytes = await readBody(response, { limit, what, code });
    return { status, headers, bytes, url, errors: [] };
  }
  const errors = isRedirect(status) ? [] : await errorCodes(response, MAX_ERROR_BYTES);
  response.discard();
  if (status === 401 || status === 403) {
    const code = errors.length === 0 ? "" : ` (${errors.join(", ")})`;
    throw new RiffleError("credentials", `${url.host} refuses ${request.what} with ${status}${code}`, {
      facts,
      hint: `it may be private or not exist: riffle login ${url.host}`,
    });
  }
  const waitMs = retryAfterMs(headers["retry-after"], (options.now ?? Date.now)());
  const more = waitMs > 0 ? { ...facts, retryAfterMs: waitMs } : facts;
  if (status === 429) {
    const hint = "its limit is higher for those who log in; wait, or use a mirror";
    throw new RiffleError("misbehaved", `${url.host} answers 429: too many requests`, { facts: more, hint });
  }
  if (status >= 500) throw misbehaved(url, `answers ${status} to ${request.what}`, more);
  return { status, headers, bytes: new Uint8Array(0), url, errors };
}

export function misbehaved(url: URL, says: string, facts: ErrorFacts = {}): RiffleError {
  return new RiffleError("misbehaved", `${url.host} ${says}`, { facts: { host: url.host, ...facts } });
}

/** A web page where a document was asked for: a sign-in page, or no registry at all. */
export function isWebPage(answer: RegistryAnswer): boolean {
  return /^\s*(?:text\/html|application\/xhtml)/i.test(answer.headers["content-type"] ?? "");
}

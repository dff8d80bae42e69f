import { isRiffleError } from "../errors.ts";
import type { HttpExchange } from "./http-exchange.ts";
import type { HttpRequest } from "./http.ts";
import type { FetchLog } from "./log.ts";
import { milliseconds, type Purpose, type RequestEvent, type Trace } from "./trace.ts";

export interface ReportOptions {
  readonly log: FetchLog | undefined;
  readonly trace: Trace | undefined;
  readonly purpose: Purpose | undefined;
  /** Milliseconds of any clock. */
  readonly now: () => number;
}

/**
 * The path of an address as it may be shown: without its query, and only where the registry's own interface or a realm
 * makes it. Addresses that registries redirect to may be secrets in every part but the host.
 */
export function shownPath(url: URL, { kind, namedBy }: Pick<HttpRequest, "kind" | "namedBy">): string | undefined {
  if (kind === "token") return url.pathname;
  return namedBy === undefined && /^\/v2(?:\/|$)/.test(url.pathname) ? url.pathname : undefined;
}

/** Tells the log and the trace of an exchange, once, when it is over. */
export function reportExchange(
  exchange: HttpExchange,
  { url, request }: { readonly url: URL; readonly request: HttpRequest },
  options: ReportOptions,
): void {
  const { log, trace, now } = options;
  if (log === undefined && trace === undefined) return;
  const begun = now();
  const id = trace?.nextId() ?? 0;
  let firstMs: number | undefined;
  let status: number | undefined;
  let failure: unknown;
  const answered = exchange.response.then(
    (response) => {
      firstMs = now() - begun;
      ({ status } = response);
    },
    (error: unknown) => (failure = error),
  );
  void Promise.all([answered, exchange.finished]).then(() => {
    const totalMs = now() - begun;
    failure ??= exchange.failure;
    const range = request.headers?.["range"];
    const path = shownPath(url, request);
    const told: RequestEvent = {
      type: "request",
      id,
      reads: options.purpose?.reads() ?? [],
      kind: request.kind,
      method: request.method ?? "GET",
      host: url.host,
      ...(path === undefined ? {} : { path }),
      ...(options.purpose === undefined
        ? {}
        : { digest: options.purpose.digest, priority: options.purpose.priority() }),
      ...(range === undefined ? {} : { range }),
      ...(status === undefined ? {} : { status }),
      bytes: exchange.receivedBytes,
      ms: milliseconds(firstMs ?? totalMs),
      totalMs: milliseconds(totalMs),
      ...(failure === undefined ? {} : { error: isRiffleError(failure) ? failure.code : "internal" }),
    };
    trace?.write(told);
    log?.("debug", requestLine(told, failure), { kind: request.kind, host: url.host, ms: Math.round(totalMs) });
  });
}

/** `GET HOST/PATH bytes=A-B: 206, 4096 bytes, 12 ms`, with the reason where there is one. */
function requestLine(told: RequestEvent, failure: unknown): string {
  const { method, host, path = "/...", range, status, bytes, totalMs } = told;
  const name = `${method} ${host}${path}${range === undefined ? "" : ` ${range}`}`;
  const moved = `${bytes} bytes, ${Math.round(totalMs)} ms`;
  const reason = failure instanceof Error ? failure.message : undefined;
  const outcome = [status, moved, reason].filter((part) => part !== undefined);
  return `${name}: ${outcome.join(", ")}`;
}

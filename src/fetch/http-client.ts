import { isIP } from "node:net";
import type * as Undici from "undici";
import { abortError, RiffleError } from "../errors.ts";
import { HttpExchange, type ExchangeLimits } from "./http-exchange.ts";
import { failureReason, httpFailure } from "./http-failure.ts";
import { DEFAULT_CONNECT_MS, loadTransport, type Transport, type TransportOptions } from "./http-transport.ts";
import type { HttpClient, HttpMeter, HttpRequest, HttpResponse } from "./http.ts";
import type { FetchLog } from "./log.ts";
import type { Reach } from "./reach.ts";
import { reportExchange } from "./exchange-report.ts";
import type { Purpose, Trace } from "./trace.ts";
import { checkAddress } from "./address-guard.ts";
import { Origins, type Origin } from "./origins.ts";

export interface HttpClientOptions extends TransportOptions {
  /** From the request's last byte to the answer's headers; a request can ask for its own. */
  readonly firstByteTimeoutMs?: number;
  /** Between two pieces of a body while its reader waits; a request can ask for its own. */
  readonly stallTimeoutMs?: number;
  /** Connections to one origin; further requests wait for one to be free, in order. */
  readonly connectionsPerOrigin?: number;
  readonly userAgent?: string;
  readonly meter?: HttpMeter;
  /** Told of every exchange, when it is over, at `debug`: method, host, path, range, status, bytes, milliseconds. */
  readonly log?: FetchLog;
  readonly trace?: Trace;
  /** Milliseconds of any clock, for log and trace. */
  readonly now?: () => number;
}

const DEFAULT_FIRST_BYTE_MS = 30_000;
const DEFAULT_STALL_MS = 30_000;
/** Two blobs at the read path's eight requests each, doubled, so that metadata never waits behind them. */
const DEFAULT_CONNECTIONS = 32;

/** A request and, where it is traced, for whom it is. */
interface Sending {
  readonly request: HttpRequest;
  readonly purpose: Purpose | undefined;
}

/** A connection pool over HTTP/1.1 (`HttpClient` says what it promises). undici is loaded by the first request. */
export function createHttpClient(options: HttpClientOptions = {}): HttpClient {
  return new PooledClient(options);
}

class PooledClient implements HttpClient {
  readonly #options: HttpClientOptions;
  readonly #limits: ExchangeLimits;
  readonly #origins: Origins;
  #ready: Promise<Transport> | undefined;
  #closed = false;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#origins = new Origins(Math.max(1, options.connectionsPerOrigin ?? DEFAULT_CONNECTIONS));
    this.#limits = {
      connectTimeoutMs: options.connectTimeoutMs ?? DEFAULT_CONNECT_MS,
      firstByteTimeoutMs: options.firstByteTimeoutMs ?? DEFAULT_FIRST_BYTE_MS,
      stallTimeoutMs: options.stallTimeoutMs ?? DEFAULT_STALL_MS,
    };
  }

  async send(url: URL, request: HttpRequest): Promise<HttpResponse> {
    if (url.protocol !== "https:" && url.protocol !== "http:")
      throw new RiffleError("misbehaved", `not an HTTP address: ${url.protocol}//${url.host}`);
    const origin = this.#origins.for(url, request.namedBy);
    // Where it is sent from must be looked up before anything is waited for.
    const sending = { request, purpose: this.#options.trace?.purpose };
    const reused = origin.answered;
    try {
      return await this.#exchange(origin, url, sending);
    } catch (error) {
      // A kept connection that the server had closed meanwhile: the request was never read, so it is sent once more.
      if (!reused || request.method === "POST" || failureReason(error) !== "reset" || this.#closed) throw error;
      this.#options.meter?.retry();
      return this.#exchange(origin, url, sending);
    }
  }

  async #exchange(origin: Origin, url: URL, sending: Sending): Promise<HttpResponse> {
    const { request } = sending;
    const transport = await this.#transport();
    if (request.signal?.aborted === true) throw abortError(request.signal);
    return new Promise((resolve, reject) => {
      const slot = origin.gate.run(
        async () => {
          const lane = origin.idle.pop() ?? this.#openLane(origin, url, transport);
          const exchange = this.#start(lane, url, sending);
          exchange.response.then((response) => {
            origin.answered = true;
            resolve(response);
          }, reject);
          await exchange.finished;
          origin.idle.push(lane);
        },
        request.signal === undefined ? {} : { signal: request.signal },
      );
      slot.catch(reject);
    });
  }

  #start(lane: Undici.Dispatcher, url: URL, { request, purpose }: Sending): HttpExchange {
    const limits = {
      connectTimeoutMs: this.#limits.connectTimeoutMs,
      firstByteTimeoutMs: request.firstByteTimeoutMs ?? this.#limits.firstByteTimeoutMs,
      stallTimeoutMs: request.stallTimeoutMs ?? this.#limits.stallTimeoutMs,
    };
    const exchange = new HttpExchange(url, request, limits, this.#options.meter);
    const { log, trace, now = (): number => performance.now() } = this.#options;
    reportExchange(exchange, { url, request }, { log, trace, purpose, now });
    const agent = this.#options.userAgent;
    const message: Undici.Dispatcher.DispatchOptions = {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: request.method ?? "GET",
      headers: {
        ...(agent === undefined ? {} : { "user-agent": agent }),
        ...request.headers,
        "accept-encoding": "identity",
      },
      body: request.body ?? null,
      // The exchange keeps its own times: undici's are coarse, and do not tell a connection from an answer.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    try {
      lane.dispatch(message, exchange);
    } catch (error) {
      exchange.onResponseError(undefined, httpFailure(error, url.host, request.signal));
    }
    return exchange;
  }

  async #transport(): Promise<Transport> {
    if (this.#closed) throw new RiffleError("closed", "the HTTP client is closed");
    this.#ready ??= loadTransport(this.#options).catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return this.#ready;
  }

  #openLane(origin: Origin, url: URL, transport: Transport): Undici.Dispatcher {
    if (this.#closed) throw new RiffleError("closed", "the HTTP client is closed");
    const { insecure = false, reachOf } = this.#options;
    const guard = {
      rule: origin.rule,
      isProven: url.protocol === "https:" && !insecure,
      seen: (reaches: readonly Reach[]): void => this.#origins.saw(origin, reaches),
      ...(reachOf === undefined ? {} : { reachOf }),
    };
    // An address is not looked up.
    if (isIP(url.hostname.replace(/^\[|\]$/g, "")) !== 0) checkAddress(url.hostname, guard);
    const lane = transport(url, guard);
    origin.lanes.push(lane);
    return lane;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const error = new RiffleError("closed", "the HTTP client was closed");
    await Promise.all(this.#origins.clear().map((lane) => lane.destroy(error)));
  }
}

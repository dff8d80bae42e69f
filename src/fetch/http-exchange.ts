import type { Dispatcher } from "undici";
import { abortError, RiffleError } from "../errors.ts";
import { httpFailure, httpTimeout } from "./http-failure.ts";
import type { HttpMeter, HttpRequest, HttpResponse } from "./http.ts";

export interface ExchangeLimits {
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly stallTimeoutMs: number;
}

/** Unread bytes at which the connection is paused: a few socket reads, so that neither side waits for the other. */
const PAUSE_BYTES = 1024 * 1024;
const RESUME_BYTES = 256 * 1024;
/** A rest this small is cheaper to read than a new connection (one TLS handshake moves some 6 KiB and two round trips). */
const DRAIN_BYTES = 64 * 1024;
const DRAIN_MS = 1000;

interface Waiter {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** Who takes the body as it arrives. */
interface Taker {
  readonly take: (bytes: Uint8Array) => void | Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const END: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

function unwanted(): RiffleError {
  return new RiffleError("aborted", "the rest of the answer was not wanted");
}

function plainHeaders(raw: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(raw)) {
    if (value !== undefined) headers[name.toLowerCase()] = Array.isArray(value) ? value.join(", ") : value;
  }
  return headers;
}

/**
 * One request and its answer, on whatever connection undici gives it. `response` settles with the headers or the failure;
 * `finished` resolves once the connection is free again or gone, and never rejects.
 */
export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly response: Promise<HttpResponse>;
  readonly finished: Promise<void>;
  readonly #host: string;
  readonly #request: HttpRequest;
  readonly #limits: ExchangeLimits;
  readonly #meter: HttpMeter | undefined;
  #answer: (response: HttpResponse) => void = () => {};
  #refuse: (error: unknown) => void = () => {};
  #finish: () => void = () => {};
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #status = 0;
  #expected: number | undefined;
  #received = 0;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #waiter: Waiter | undefined;
  #taker: Taker | undefined;
  /** The taker has not finished with the last piece. */
  #holding = false;
  #failure: RiffleError | undefined;
  #ended = false;
  #discarded = false;
  #drainLeft = DRAIN_BYTES;

  constructor(url: URL, request: HttpRequest, limits: ExchangeLimits, meter: HttpMeter | undefined) {
    this.#host = url.host;
    this.#request = request;
    this.#limits = limits;
    this.#meter = meter;
    this.response = new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#refuse = reject;
    });
    this.finished = new Promise((resolve) => (this.#finish = resolve));
    request.signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#arm(limits.connectTimeoutMs, "did not accept a connection");
  }

  get receivedBytes(): number {
    return this.#received;
  }

  /** Why it ended before its end, once it has. */
  get failure(): RiffleError | undefined {
    return this.#failure;
  }

  readonly #onAbort = (): void => this.#fail(abortError(this.#request.signal));

  #arm(waitMs: number, what: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(httpTimeout(this.#host, what, waitMs)), waitMs);
  }

  /** Ends the exchange from our side; what was queued is dropped. */
  #fail(error: RiffleError): void {
    if (this.#ended || this.#failure !== undefined) return;
    this.#failure = error;
    this.#queue = [];
    this.#controller?.abort(error);
    this.#settle();
  }

  #settle(): void {
    clearTimeout(this.#timer);
    // Refreshing a timer that was cleared would start it again.
    this.#timer = undefined;
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
    if (this.#failure !== undefined) this.#refuse(this.#failure);
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (this.#failure !== undefined) waiter?.reject(this.#failure);
    else waiter?.resolve(END);
    this.#pour();
    this.#finish();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#failure !== undefined) {
      controller.abort(this.#failure);
      return;
    }
    this.#controller = controller;
    this.#meter?.request(this.#request.kind);
    this.#arm(this.#limits.firstByteTimeoutMs, "did not answer");
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    raw: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200 || this.#failure !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const headers = plainHeaders(raw);
    const length = Number(headers["content-length"] ?? Number.NaN);
    this.#status = status;
    if (status === 429 || status === 503) this.#meter?.refused?.();
    this.#expected = Number.isSafeInteger(length) ? length : undefined;
    const iterator: AsyncIterator<Uint8Array, undefined> = {
      next: () => this.#next(),
      return: () => {
        this.#discard();
        return Promise.resolve(END);
      },
    };
    const body: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => iterator };
    this.#answer({ status, headers, body, each: (take) => this.#each(take), discard: () => this.#discard() });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#received += chunk.length;
    this.#meter?.received(this.#request.kind, chunk.length);
    if (this.#discarded) this.#drained(chunk.length);
    if (this.#discarded || this.#failure !== undefined) return;
    // A view, not a copy: a Buffer's `slice` does not copy, and readers are promised a plain Uint8Array.
    const lent = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#taker !== undefined && !this.#holding && this.#queue.length === 0) {
      this.#timer?.refresh();
      this.#give(lent, this.#taker);
      return;
    }
    // The socket will use its memory again (`receiveRing`).
    const bytes = lent.slice();
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve({ done: false, value: bytes });
      return;
    }
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (this.#queued >= PAUSE_BYTES) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#failure !== undefined) return;
    this.#ended = true;
    this.#settle();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#failure !== undefined || this.#ended) return;
    // Bytes that arrived before the cut stay readable.
    this.#failure = httpFailure(error, this.#host, this.#request.signal);
    this.#settle();
  }

  #each(take: Taker["take"]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#taker !== undefined || this.#waiter !== undefined) {
        reject(new RiffleError("internal", "a body has one reader"));
        return;
      }
      this.#taker = { take, resolve, reject };
      // A short body may have arrived before it is asked for: nothing is waited for then, and a timer would keep a process.
      if (!this.#ended && this.#failure === undefined) this.#watchStall();
      this.#pour();
    });
  }

  /** Gives the taker what is queued, and tells it of the end once it has had everything. */
  #pour(): void {
    const taker = this.#taker;
    if (taker === undefined) return;
    while (!this.#holding) {
      const bytes = this.#queue.shift();
      if (bytes === undefined) break;
      this.#queued -= bytes.length;
      this.#give(bytes, taker);
    }
    if (this.#holding) return;
    if (this.#failure !== undefined) taker.reject(this.#failure);
    else if (this.#ended) taker.resolve();
    else if (this.#controller?.paused === true) this.#controller.resume();
  }

  #give(bytes: Uint8Array, taker: Taker): void {
    const refuse = (error: unknown): void => {
      this.#holding = false;
      taker.reject(error);
      this.#discard();
    };
    try {
      const held = taker.take(bytes);
      if (held === undefined) return;
      this.#holding = true;
      this.#controller?.pause();
      held.then(() => {
        this.#holding = false;
        this.#timer?.refresh();
        this.#pour();
      }, refuse);
    } catch (error) {
      refuse(error);
    }
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#discarded) return Promise.resolve(END);
    const bytes = this.#queue.shift();
    if (bytes !== undefined) {
      this.#queued -= bytes.length;
      if (this.#queued < RESUME_BYTES && this.#controller?.paused === true) this.#controller.resume();
      return Promise.resolve({ done: false, value: bytes });
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.resolve(END);
    if (this.#waiter !== undefined) {
      return Promise.reject(new RiffleError("internal", "a body has one reader, which waits for each piece"));
    }
    this.#watchStall();
    return new Promise((resolve, reject) => (this.#waiter = { resolve, reject }));
  }

  /** One timer for the whole body, moved on at each wait; it counts only while the reader waits for the network. */
  #watchStall(): void {
    if (this.#timer !== undefined) {
      this.#timer.refresh();
      return;
    }
    const waitMs = this.#limits.stallTimeoutMs;
    this.#timer = setTimeout(() => {
      const isWaiting = this.#waiter !== undefined || (this.#taker !== undefined && !this.#holding);
      if (isWaiting) this.#fail(httpTimeout(this.#host, "sent no further bytes", waitMs));
    }, waitMs);
  }

  #discard(): void {
    if (this.#discarded) return;
    this.#discarded = true;
    this.#queue = [];
    if (this.#ended || this.#failure !== undefined) return;
    const rest = this.#expected === undefined ? 0 : this.#expected - this.#received;
    // Some registries send a 416 with the length of the blob and a few bytes of body: its end never comes.
    if (rest > DRAIN_BYTES || this.#status === 416) return this.#fail(unwanted());
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(unwanted()), DRAIN_MS);
    if (this.#controller?.paused === true) this.#controller.resume();
  }

  /** Holds a rest of unannounced length to the same bound. */
  #drained(bytes: number): void {
    this.#drainLeft -= bytes;
    if (this.#drainLeft < 0) this.#fail(unwanted());
  }
}

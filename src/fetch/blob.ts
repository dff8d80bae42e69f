import { Limiter } from "../bytes/limiter.ts";
import { clip, isEmpty, mergeRanges, rangeLength, type ByteRange } from "../bytes/range.ts";
import {
  checkRange,
  type ByteSink,
  type ReadOptions,
  type StreamingSource,
  type StreamOptions,
} from "../bytes/source.ts";
import { abortError, RiffleError } from "../errors.ts";
import { checkAnswer, longBody, shortBody, type Asked } from "./answer.ts";
import type { Authorizer, HttpClient, HttpMeter, HttpResponse } from "./http.ts";
import { BlobLocation, type BlobHabits } from "./location.ts";
import type { FetchLog } from "./log.ts";
import { isRedirect, MAX_HOPS, redirectTarget } from "./redirect.ts";
import { withRetries, type RetryMeter, type RetryOptions } from "./retry.ts";

export interface BlobTarget extends RetryOptions {
  readonly client: HttpClient;
  readonly authorizer: Authorizer;
  /** The blob at its registry. */
  readonly url: URL;
  /** Its digest. */
  readonly id: string;
  /** Its descriptor's size; no request goes beyond it. */
  readonly size: number;
  /** Told of retries; requests and bytes are counted by the client. */
  readonly meter?: HttpMeter;
  readonly log?: FetchLog;
  readonly firstByteTimeoutMs?: number;
  readonly stallTimeoutMs?: number;
  /** Shared by the blobs of one registry. */
  readonly habits?: BlobHabits;
}

/** Requests at once of one `readMany`. */
const READ_MANY_LIMIT = 8;

/** Statuses with which the target of a redirect says that its time is over (S3 and Azure 403 and 400, others 401, 404, 410). */
const STALE_URL: ReadonlySet<number> = new Set([400, 401, 403, 404, 410]);

/**
 * A blob of a registry: each stretch one GET of one closed range, redirects followed without credentials, every answer
 * checked (`checkAnswer`), failures tried again from the byte where they struck. A registry that answers 200 gives the
 * whole blob from offset 0 to the sink, up to its end unless the signal says stop; what `stream` awaits of the sink holds
 * the connection back. Nothing is kept but the place that the registry redirects to.
 */
export function blobSource(target: BlobTarget): StreamingSource {
  return new BlobSource(target);
}

class BlobSource implements StreamingSource {
  readonly id: string;
  readonly size: number;
  readonly #target: BlobTarget;
  readonly #location: BlobLocation;

  constructor(target: BlobTarget) {
    this.id = target.id;
    this.size = target.size;
    this.#target = target;
    this.#location = new BlobLocation(target.url, { now: target.now ?? Date.now, habits: target.habits });
  }

  async read(range: ByteRange, options: ReadOptions = {}): Promise<Uint8Array> {
    checkRange(range);
    const wanted = clip(range, this.size);
    const bytes = new Uint8Array(rangeLength(wanted));
    let filled = 0;
    const enough = new AbortController();
    const signal = options.signal === undefined ? enough.signal : AbortSignal.any([enough.signal, options.signal]);
    const sink: ByteSink = (offset, piece) => {
      const at = wanted.start + filled;
      if (offset > at || offset + piece.length <= at) return;
      const useful = piece.subarray(at - offset, Math.min(piece.length, wanted.end - offset));
      bytes.set(useful, filled);
      filled += useful.length;
      if (filled === bytes.length && offset + piece.length > wanted.end) enough.abort();
    };
    await this.stream(wanted, sink, { ...options, signal }).catch((error: unknown) => {
      if (!enough.signal.aborted) throw error;
    });
    return bytes;
  }

  async readMany(ranges: readonly ByteRange[], options: ReadOptions = {}): Promise<readonly Uint8Array[]> {
    ranges.forEach(checkRange);
    const wanted = ranges.map((range) => clip(range, this.size));
    const limiter = new Limiter(READ_MANY_LIMIT);
    const merged = await Promise.all(
      mergeRanges(wanted).map(async (range) => ({ range, bytes: await limiter.run(() => this.read(range, options)) })),
    );
    return wanted.map((range) => {
      const home = merged.find((part) => part.range.start <= range.start && range.end <= part.range.end);
      return home?.bytes.slice(range.start - home.range.start, range.end - home.range.start) ?? new Uint8Array(0);
    });
  }

  async stream(range: ByteRange, sink: ByteSink, options: StreamOptions = {}): Promise<void> {
    checkRange(range);
    const wanted = clip(range, this.size);
    if (options.signal?.aborted === true) throw abortError(options.signal);
    if (isEmpty(wanted)) return;
    let at = wanted.start;
    const take = (meter: RetryMeter, offset: number, bytes: Uint8Array): void | Promise<void> => {
      const held = sink(offset, bytes);
      const end = offset + bytes.length;
      meter.progress(offset <= at && end > at ? end - at : 0);
      if (offset <= at) at = Math.max(at, end);
      return held;
    };
    const { signal, isSecond = false } = options;
    await withRetries(
      async (inner, meter) => {
        // All was given, and what failed came behind it: the rest of a whole blob.
        if (at >= wanted.end) return;
        await this.#attempt({ start: at, end: wanted.end }, { signal: inner, isSecond, meter, take });
      },
      {
        ...this.#target,
        ...(signal === undefined ? {} : { signal }),
        what: `[${wanted.start}, ${wanted.end}) of blob ${this.id}`,
        onRetry: (error) => this.#noteRetry(error),
      },
    );
  }

  #noteRetry(error: unknown): void {
    this.#target.meter?.retry();
    // The next place that the registry names may be in better health.
    this.#location.forget();
    const says = error instanceof Error ? error.message : "failed";
    this.#target.log?.("debug", `trying again: ${says}`, { digest: this.id });
  }

  async #attempt(
    range: ByteRange,
    options: {
      readonly signal: AbortSignal;
      readonly isSecond: boolean;
      readonly meter: RetryMeter;
      readonly take: (meter: RetryMeter, offset: number, bytes: Uint8Array) => void | Promise<void>;
    },
  ): Promise<void> {
    const { signal, isSecond, meter, take } = options;
    const { response, url } = await this.#ask(range, signal, isSecond);
    const asked: Asked = { host: url.host, id: this.id, size: this.size, range };
    const now = this.#target.now ?? Date.now;
    let offset = 0;
    let end = 0;
    try {
      const kind = checkAnswer(response, asked, now());
      this.#location.remember(url, kind);
      offset = kind === "whole" ? 0 : range.start;
      end = kind === "whole" ? this.size : range.end;
      await response.each((bytes) => {
        if (signal.aborted) throw abortError(signal);
        const at = offset;
        if (at + bytes.length > end) throw longBody(asked, { kind, complete: at === end });
        offset += bytes.length;
        // A whole blob takes as long as it takes, while it comes; a part has the time limit of its request.
        if (kind === "whole") meter.extend();
        return take(meter, at, bytes);
      });
    } finally {
      response.discard();
    }
    if (offset < end) throw shortBody({ ...asked, range: { start: 0, end } }, offset);
  }

  /** Sends the range request, over redirects and one renewal each of credentials and signed URL. The status is not judged. */
  async #ask(
    range: ByteRange,
    signal: AbortSignal,
    isSecond: boolean,
  ): Promise<{ readonly response: HttpResponse; readonly url: URL }> {
    const { url: first, found } = await this.#location.start(signal, { isSecond });
    let url = first;
    // A redirect that is remembered is still the registry's word.
    let namedBy = this.#location.registry;
    let hops = 0;
    let isRenewed = false;
    let isChallenged = false;
    try {
      for (;;) {
        const atRegistry = url.origin === this.#location.registry.origin;
        const sent = atRegistry ? await this.#target.authorizer.headers(url, signal) : {};
        const response = await this.#send(url, range, { sent, signal, namedBy });
        if (isRedirect(response.status)) {
          response.discard();
          hops += 1;
          if (hops > MAX_HOPS) throw this.#lost(`redirects more than ${MAX_HOPS} times`);
          namedBy = url;
          url = redirectTarget(url, response.headers["location"], { digest: this.id, status: response.status });
          continue;
        }
        if (response.status === 401 && atRegistry && !isChallenged) {
          isChallenged = true;
          if (await this.#target.authorizer.challenged(url, response, { sent, signal })) {
            response.discard();
            continue;
          }
        } else if (url.href !== this.#location.registry.href && STALE_URL.has(response.status)) {
          this.#location.forget(url);
          if (!isRenewed) {
            response.discard();
            isRenewed = true;
            hops = 0;
            url = this.#location.registry;
            continue;
          }
        }
        return { response, url };
      }
    } finally {
      found?.();
    }
  }

  #lost(says: string): RiffleError {
    const { host } = this.#location.registry;
    return new RiffleError("misbehaved", `${host} ${says} (blob ${this.id})`, { facts: { host, digest: this.id } });
  }

  #send(
    url: URL,
    range: ByteRange,
    options: {
      readonly sent: Readonly<Record<string, string>>;
      readonly namedBy: URL;
      readonly signal: AbortSignal;
    },
  ): Promise<HttpResponse> {
    const { client, firstByteTimeoutMs, stallTimeoutMs } = this.#target;
    const { sent, signal, namedBy } = options;
    const isNamed = url.origin !== this.#location.registry.origin;
    return client.send(url, {
      kind: "blob",
      headers: { ...sent, range: `bytes=${range.start}-${range.end - 1}`, "accept-encoding": "identity" },
      signal,
      ...(isNamed ? { namedBy } : {}),
      ...(firstByteTimeoutMs === undefined ? {} : { firstByteTimeoutMs }),
      ...(stallTimeoutMs === undefined ? {} : { stallTimeoutMs }),
    });
  }
}

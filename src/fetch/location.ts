import { abortError } from "../errors.ts";
import { urlExpiry } from "./redirect.ts";

/** Longer than a registry needs to redirect, and short enough for a reader of other bytes. */
const PATIENCE_MS = 1000;

/**
 * What the blobs of one registry have in common, as far as answers have told: true when it gives ranges itself, false when
 * it redirects or gives whole blobs.
 */
export interface BlobHabits {
  givesRanges: boolean | undefined;
}

/**
 * Where a blob's bytes are had from, as far as it is known: the registry itself, or the place that it last redirected to,
 * until that URL's life ends. While it is not known one request finds out, and, where the registry's habits are to
 * redirect, the others wait a moment for its answer's headers: eight readers of an expired URL must not ask the registry
 * eight times, and one answer that is late must not delay what seven others want. Elsewhere they do not wait: that would
 * be a round trip for nothing.
 */
export class BlobLocation {
  readonly #registry: URL;
  readonly #now: () => number;
  readonly #habits: BlobHabits;
  #final: { readonly url: URL; readonly expires: number } | undefined;
  #isDirect = false;
  #search: Promise<void> | undefined;

  constructor(registry: URL, options: { readonly now: () => number; readonly habits: BlobHabits | undefined }) {
    this.#registry = registry;
    this.#now = options.now;
    this.#habits = options.habits ?? { givesRanges: undefined };
  }

  get registry(): URL {
    return this.#registry;
  }

  /**
   * The URL to ask. Whoever gets `found` is the one to find out, and calls it once, whatever happened. With `isSecond` nobody
   * is waited for: the one who finds out may be the one that is late.
   */
  async start(
    signal: AbortSignal,
    options: { readonly isSecond?: boolean } = {},
  ): Promise<{ readonly url: URL; readonly found?: () => void }> {
    while (options.isSecond !== true && this.#known() === undefined) {
      if (signal.aborted) throw abortError(signal);
      if (this.#search === undefined) return { url: this.#registry, found: this.#beginSearch() };
      if (this.#habits.givesRanges !== false) return { url: this.#registry };
      if (!(await endsSoon(this.#search, signal))) return { url: this.#registry };
    }
    return { url: this.#known() ?? this.#registry };
  }

  #known(): URL | undefined {
    if (this.#final !== undefined && this.#final.expires > this.#now()) return this.#final.url;
    return this.#isDirect ? this.#registry : undefined;
  }

  #beginSearch(): () => void {
    let end: () => void = () => {};
    const search = new Promise<void>((resolve) => (end = resolve));
    this.#search = search;
    return () => {
      if (this.#search === search) this.#search = undefined;
      end();
    };
  }

  /** `url` gave a part of the blob, or all of it where a part was asked for. */
  remember(url: URL, kind: "part" | "whole"): void {
    this.#isDirect = url.href === this.#registry.href;
    this.#habits.givesRanges = this.#isDirect && kind === "part";
    if (this.#isDirect || this.#final?.url.href === url.href) return;
    this.#final = { url, expires: urlExpiry(url, this.#now()) };
  }

  /** `url`, or whatever is remembered, no longer works. */
  forget(url?: URL): void {
    if (url === undefined || this.#final?.url.href === url.href) this.#final = undefined;
  }
}

/** Whether `search` ends within our patience. Rejects when `signal` is aborted first. */
function endsSoon(search: Promise<void>, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      end();
    };
    const onAbort = (): void => settle(() => reject(abortError(signal)));
    const timer = setTimeout(() => settle(() => resolve(false)), PATIENCE_MS);
    signal.addEventListener("abort", onAbort, { once: true });
    void search.then(() => settle(() => resolve(true)));
  });
}

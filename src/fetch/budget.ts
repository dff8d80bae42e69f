import { abortError } from "../errors.ts";

/** Eight parts of 8 MiB under way, and half as much again for what the disk has not taken yet. */
const DEFAULT_LIMIT_BYTES = 96 * 1024 * 1024;
/** A demand read may always have this much: prefetch can fill the budget, but cannot starve a reader. */
export const ALWAYS_BYTES: number = 1024 * 1024;
/** Prefetch leaves a quarter to demand. */
const PREFETCH_SHARE = 0.75;

interface Waiter {
  readonly bytes: number;
  readonly start: () => void;
}

/** Bytes asked for over the network and not yet in the cache, of all blobs of the process that share the object. */
export class ByteBudget {
  readonly limit: number;
  readonly #waiters = new Set<Waiter>();
  #used = 0;

  constructor(limit: number = DEFAULT_LIMIT_BYTES) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** For prefetch: false when there is no room now, or when demand waits for room. */
  tryTake(bytes: number): boolean {
    if (this.#waiters.size > 0 || this.#used + bytes > this.limit * PREFETCH_SHARE) return false;
    this.#used += bytes;
    return true;
  }

  /** For demand: true when it needs not wait, as small reads never do. */
  takeNow(bytes: number): boolean {
    if (bytes > ALWAYS_BYTES && (this.#waiters.size > 0 || !this.#fits(bytes))) return false;
    this.#used += bytes;
    return true;
  }

  /** For demand: waits in order of arrival. */
  take(bytes: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(abortError(signal));
    if (this.takeNow(bytes)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        reject(abortError(signal));
        this.#serve();
      };
      const waiter: Waiter = {
        bytes,
        start: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      this.#waiters.add(waiter);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  give(bytes: number): void {
    this.#used -= bytes;
    this.#serve();
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.limit;
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      if (!this.#fits(waiter.bytes)) return;
      this.#waiters.delete(waiter);
      this.#used += waiter.bytes;
      waiter.start();
    }
  }
}

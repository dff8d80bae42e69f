import { abortError } from "../errors.ts";
import type { Priority } from "./source.ts";

const ORDER: readonly Priority[] = ["metadata", "demand", "prefetch"];

interface Waiter {
  readonly start: () => void;
}

/**
 * At most `limit` jobs at once; who waits is served by priority, then in order of arrival. `reserve` slots are kept from
 * prefetch, so that a demand read never waits for one to end.
 */
export class Limiter {
  readonly #limit: number;
  readonly #reserve: number;
  readonly #queues: Readonly<Record<Priority, Set<Waiter>>> = {
    metadata: new Set(),
    demand: new Set(),
    prefetch: new Set(),
  };
  #active = 0;

  constructor(limit: number, options: { readonly reserve?: number } = {}) {
    this.#limit = limit;
    this.#reserve = Math.min(options.reserve ?? 0, limit - 1);
  }

  get active(): number {
    return this.#active;
  }

  get waiting(): number {
    return ORDER.reduce((sum, priority) => sum + this.#queues[priority].size, 0);
  }

  /** Runs `job` once a slot is free; rejects with the signal's reason when it is aborted while it waits. */
  async run<T>(
    job: () => Promise<T>,
    options: { readonly priority?: Priority; readonly signal?: AbortSignal } = {},
  ): Promise<T> {
    await this.#acquire(options.priority ?? "demand", options.signal);
    try {
      return await job();
    } finally {
      this.#active -= 1;
      this.#next();
    }
  }

  /** Whether a job of this priority would begin at once. */
  hasRoom(priority: Priority): boolean {
    return this.#active < (priority === "prefetch" ? this.#limit - this.#reserve : this.#limit);
  }

  #acquire(priority: Priority, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    if (this.hasRoom(priority)) {
      this.#active += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const queue = this.#queues[priority];
      const onAbort = (): void => {
        queue.delete(waiter);
        reject(abortError(signal));
      };
      const waiter: Waiter = {
        start: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      queue.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #next(): void {
    for (const priority of ORDER) {
      for (const waiter of this.#queues[priority]) {
        if (!this.hasRoom(priority)) return;
        this.#queues[priority].delete(waiter);
        this.#active += 1;
        waiter.start();
      }
    }
  }
}

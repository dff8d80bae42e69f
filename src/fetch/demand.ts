import { abortError } from "../errors.ts";

/** How long nobody must have waited before the network counts as free: longer than a program thinks between two reads. */
const QUIET_MS = 500;

/** Who waits for the network at this moment, all artifacts of a process together: what fills ahead keeps out of their way. */
export class Demand {
  readonly #listeners = new Set<() => void>();
  readonly #now: () => number;
  #waiting = 0;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly now?: () => number } = {}) {
    this.#now = options.now ?? ((): number => performance.now());
  }

  /** Somebody waits, until what this gives is called. */
  begin(): () => void {
    this.#waiting += 1;
    if (this.#waiting === 1) for (const listener of this.#listeners) listener();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#waiting -= 1;
      this.#endedAt = this.#now();
    };
  }

  /** Calls `listener` whenever somebody begins to wait while nobody did; until what this gives is called. */
  onBegin(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves when nobody has waited for a while. */
  async quiet(signal: AbortSignal): Promise<void> {
    for (;;) {
      if (signal.aborted) throw abortError(signal);
      const left = this.#waiting > 0 ? QUIET_MS : this.#endedAt + QUIET_MS - this.#now();
      if (left <= 0) return;
      await pause(left, signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}

import { Limiter } from "../bytes/limiter.ts";
import type { Cache } from "../cache/cache.ts";
import { openCache } from "../cache/open-cache.ts";
import { ByteBudget } from "../fetch/budget.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Log = (level: LogLevel, message: string) => void;

/** What the artifacts of a process share: the cache, and the bounds on requests and memory. */
export interface Engine extends AsyncDisposable {
  readonly cache: Cache;
  /** All requests for blob bytes of the process. */
  readonly limiter: Limiter;
  /** Bytes being received or read ahead, all artifacts together. */
  readonly budget: ByteBudget;
  close(): Promise<void>;
}

export interface EngineOptions {
  /** Absent: memory only. */
  readonly cacheDir?: string | undefined;
  /** Bytes on disk; default 20 GiB. */
  readonly cacheBytes?: number;
  readonly log?: Log;
}

const DEFAULT_CACHE_BYTES = 20 * 1024 ** 3;
/** Four blobs at their eight requests each; more gains nothing on one link and provokes rate limits. */
const REQUESTS_AT_ONCE = 32;
/** Kept for demand reads while prefetch fills the rest. */
const DEMAND_RESERVE = 8;
/** The largest window, so that one fast stream can have it. */
const BUDGET_BYTES = 64 * 1024 ** 2;

export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const cache = await openCache({
    directory: options.cacheDir,
    limitBytes: options.cacheBytes ?? DEFAULT_CACHE_BYTES,
    log: options.log ?? (() => undefined),
  });
  const close = (): Promise<void> => cache.close();
  return {
    cache,
    limiter: new Limiter(REQUESTS_AT_ONCE, { reserve: DEMAND_RESERVE }),
    budget: new ByteBudget(BUDGET_BYTES),
    close,
    [Symbol.asyncDispose]: close,
  };
}

import { Limiter } from "../bytes/limiter.ts";
import type { Cache } from "../cache/cache.ts";
import { openCache } from "../cache/open-cache.ts";
import { ByteBudget } from "../fetch/budget.ts";
import { Demand } from "../fetch/demand.ts";
import { SharedThreads } from "../formats/shared-threads.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Log = (level: LogLevel, message: string) => void;

/** What the artifacts of a process share: the cache, and the bounds on requests and memory. */
export interface Engine extends AsyncDisposable {
  readonly cache: Cache;
  /** All requests for blob bytes of the process. */
  readonly limiter: Limiter;
  /** Bytes being received or read ahead, all artifacts together. */
  readonly budget: ByteBudget;
  /** Who waits for the network, all artifacts together. */
  readonly demand: Demand;
  /** Of readers of formats, such as decoders. */
  readonly threads: SharedThreads;
  /** What the cache may hold on disk. */
  readonly cacheBytes: number;
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
/** Eight parts of 8 MiB under way and what the disk has not taken yet; half of what a daemon may weigh. */
const BUDGET_BYTES = 96 * 1024 ** 2;

export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const cache = await openCache({
    limitBytes: options.cacheBytes ?? DEFAULT_CACHE_BYTES,
    log: (message) => options.log?.("warn", message),
    ...(options.cacheDir === undefined ? {} : { directory: options.cacheDir }),
  });
  const threads = new SharedThreads();
  const close = async (): Promise<void> => {
    await Promise.all([cache.close(), threads.close()]);
  };
  return {
    cache,
    limiter: new Limiter(REQUESTS_AT_ONCE, { reserve: DEMAND_RESERVE }),
    budget: new ByteBudget(BUDGET_BYTES),
    demand: new Demand(),
    threads,
    cacheBytes: options.cacheBytes ?? DEFAULT_CACHE_BYTES,
    close,
    [Symbol.asyncDispose]: close,
  };
}

import { setTimeout as delay } from "node:timers/promises";
import { abortError, isRiffleError, RiffleError } from "../errors.ts";

/** How often and how long a failed exchange is tried again. The clock, the dice and the sleep are given by tests. */
export interface RetryOptions {
  /** Tries in all, counted anew after each that brought `PROGRESS_BYTES`. Default 5. */
  readonly attempts?: number;
  /** The wait before the second try; doubles for each further one. Default 100 ms. */
  readonly firstDelayMs?: number;
  /** Bounds everything: tries, waits, the body. Default 60 s. */
  readonly timeoutMs?: number;
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Milliseconds of a clock that nobody sets and that stands still while the machine sleeps. */
  readonly elapsed?: () => number;
}

export const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_ATTEMPTS = 5;
const DEFAULT_FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** A try that brought this much is no failure of the link: the count of tries starts again. */
const PROGRESS_BYTES = 256 * 1024;

/** Statuses after which the same request may do better (RFC 9110 section 15; 408 and 425 ask for it). */
const AGAIN: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Failures that stay what they are, however often one asks. */
const LASTING: ReadonlySet<unknown> = new Set(["certificate", "tls-not-spoken"]);

function isWorthRetrying(error: unknown): boolean {
  if (!isRiffleError(error)) return false;
  const { status, reason } = error.facts;
  if (typeof status === "number" && status >= 300) return AGAIN.has(status);
  if (error.facts["again"] === true) return true;
  return (error.code === "unreachable" || error.code === "timeout") && !LASTING.has(reason);
}

/** `Retry-After` in milliseconds from now: seconds or an HTTP date (RFC 9110 section 10.2.3); 0 when absent or nonsense. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header.trim()) * 1000;
  const date = Date.parse(header);
  return Number.isFinite(date) ? Math.max(0, date - nowMs) : 0;
}

function delayBefore(failures: number, error: unknown, options: RetryOptions): number {
  const base = Math.min(LONGEST_DELAY_MS, (options.firstDelayMs ?? DEFAULT_FIRST_DELAY_MS) * 2 ** (failures - 1));
  const jittered = base * (0.5 + 0.5 * (options.random ?? Math.random)());
  const asked = isRiffleError(error) ? error.facts["retryAfterMs"] : undefined;
  return Math.max(jittered, typeof asked === "number" ? asked : 0);
}

const defaultSleep = (ms: number, signal: AbortSignal): Promise<void> => delay(ms, undefined, { signal });

/** What a try reports while it runs. */
export interface RetryMeter {
  progress(bytes: number): void;
  /** Starts the time limit anew. */
  extend(): void;
}

/**
 * Runs `attempt` until it resolves, with jittered exponential waits between, never longer than the time limit in all.
 * Rejects with the last failure that says something, or `aborted` with the caller's reason.
 */
export async function withRetries(
  attempt: (signal: AbortSignal, meter: RetryMeter) => Promise<void>,
  options: RetryOptions & {
    readonly signal?: AbortSignal;
    readonly onRetry?: (error: unknown) => void;
    readonly what: string;
  },
): Promise<void> {
  const { signal: outer, what } = options;
  if (outer?.aborted === true) throw abortError(outer);
  // Not the time of day: after a suspend every time limit would be over, and the broken connection not tried again.
  const now = options.elapsed ?? ((): number => performance.now());
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const controller = new AbortController();
  // Made when it is needed: a stack for each request costs more than most of what is done for one.
  const late = (): RiffleError =>
    new RiffleError("timeout", `${what} did not arrive within ${timeoutMs / 1000} s`, { facts: { timeoutMs } });
  const timer = setTimeout(() => controller.abort(late()), timeoutMs);
  const leave = (): void => controller.abort(abortError(outer));
  outer?.addEventListener("abort", leave, { once: true });
  let deadline = now() + timeoutMs;
  const extend = (): void => {
    deadline = now() + timeoutMs;
    timer.refresh();
  };
  let last: unknown;
  /** What ended the wait from outside, if something did. */
  const ended = (): unknown => {
    if (outer?.aborted === true) return abortError(outer);
    return controller.signal.aborted ? (last ?? controller.signal.reason) : undefined;
  };
  try {
    for (let failures = 0; ;) {
      let brought = 0;
      try {
        return await attempt(controller.signal, { progress: (bytes) => (brought += bytes), extend });
      } catch (error) {
        if (ended() !== undefined) throw error;
        last = error;
        failures = brought >= PROGRESS_BYTES ? 1 : failures + 1;
        if (failures >= (options.attempts ?? DEFAULT_ATTEMPTS) || !isWorthRetrying(error)) throw error;
        const waitMs = delayBefore(failures, error, options);
        if (now() + waitMs >= deadline) throw error;
        options.onRetry?.(error);
        await (options.sleep ?? defaultSleep)(waitMs, controller.signal);
      }
    }
  } catch (error) {
    throw ended() ?? error;
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", leave);
  }
}

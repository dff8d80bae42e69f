import type { Priority } from "../bytes/source.ts";

export interface HedgesOptions {
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** How often the registry has said that it is asked too much (429, 503). While that grows nothing is asked twice. */
  readonly refusals?: () => number;
  /** Told of each second request that may be sent. */
  readonly onHedge?: () => void;
}

/** When a request counts as late, and how many may be sent a second time. Shared by the blobs of one artifact. */
export interface Hedges {
  /** Silence of a request, in milliseconds, from which on a second one is worth sending. */
  lateAfterMs(): number;
  /** A request was sent for the first time. */
  sent(): void;
  /** A request brought its first byte. */
  observe(firstByteMs: number): void;
  /** Whether a second request may be sent now; takes it off the budget. */
  take(priority: Priority): boolean;
  /** Ranges are ignored: each request brings the whole blob, and a second one would bring it again. */
  giveUp(): void;
}

/** Times to a first byte that are remembered: enough that 2 % of late answers do not move their median. */
const SAMPLES = 64;
/** Fewer tell nothing yet. */
const MIN_SAMPLES = 4;
/** Four times the usual is late. */
const LATE_FACTOR = 4;
/** Below this, silence is as likely a pause of this machine as a lost answer. */
const LATE_FLOOR_MS = 1000;
/** Before anything was measured: a connection, its handshake and a token at 300 ms a round trip. */
const UNMEASURED_MS = 2000;
/** One second request for twenty first ones. */
const SHARE = 1 / 20;
/** What may be spent at once: as many as one blob has requests under way. */
const MOST_TOKENS = 8;
/** Kept for those who wait: what is read ahead may not spend the last ones. */
const DEMAND_TOKENS = 2;
/** Asked too much: the usual windows of rate limits are seconds to a minute. */
const QUIET_MS = 60_000;

export function createHedges(options: HedgesOptions = {}): Hedges {
  const { now = (): number => performance.now(), refusals = (): number => 0, onHedge } = options;
  const samples: number[] = [];
  let last = 0;
  let lateMs = UNMEASURED_MS;
  let tokens = MOST_TOKENS;
  let refused = refusals();
  let quietUntil = Number.NEGATIVE_INFINITY;
  let isOver = false;
  const isQuiet = (): boolean => {
    if (refusals() !== refused) {
      refused = refusals();
      quietUntil = now() + QUIET_MS;
    }
    return isOver || now() < quietUntil;
  };
  return {
    lateAfterMs: () => lateMs,
    sent: () => {
      tokens = Math.min(MOST_TOKENS, tokens + SHARE);
    },
    observe: (firstByteMs) => {
      samples[last] = firstByteMs;
      last = (last + 1) % SAMPLES;
      if (samples.length < MIN_SAMPLES) return;
      const median = samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? 0;
      lateMs = Math.max(LATE_FLOOR_MS, LATE_FACTOR * median);
    },
    take: (priority) => {
      if (isQuiet() || tokens < (priority === "prefetch" ? DEMAND_TOKENS + 1 : 1)) return false;
      tokens -= 1;
      onHedge?.();
      return true;
    },
    giveUp: () => {
      isOver = true;
    },
  };
}

/** What a request costs at one origin, learned from the requests that were sent anyway. */
export interface CostModel {
  /** Bytes that move in the time to a first byte: what a gap may weigh to be worth a request. 64 KiB to 2 MiB. */
  gapBytes(): number;
  /** Milliseconds to the first byte, as expected of the next request. */
  firstByteMs(): number;
  observe(sample: CostSample): void;
}

export interface CostSample {
  readonly firstByteMs: number;
  /** Bytes after the first piece, and how long they took. */
  readonly bytes: number;
  readonly bodyMs: number;
}

const MIN_GAP_BYTES = 64 * 1024;
const MAX_GAP_BYTES = 2 * 1024 * 1024;

/** Before anything was measured: a registry some 50 ms away that gives 20 MB/s to a connection. */
const FIRST_GUESS = { firstByteMs: 50, bytesPerMs: 20_000 };

/** Each sample moves the estimate by a fifth: a changed network shows after some ten requests, one slow answer does not. */
const WEIGHT = 0.2;

/** Shorter bodies tell of buffers, not of the link. */
const MIN_SAMPLE_BYTES = 256 * 1024;

export function createCostModel(): CostModel {
  let { firstByteMs, bytesPerMs } = FIRST_GUESS;
  let waits = 0;
  let bodies = 0;
  /** The first samples count in full, so that the guess is soon forgotten. */
  const blend = (old: number, sample: number, seen: number): number =>
    old + (sample - old) * Math.max(WEIGHT, 1 / (seen + 1));
  return {
    gapBytes: () => Math.round(Math.min(MAX_GAP_BYTES, Math.max(MIN_GAP_BYTES, firstByteMs * bytesPerMs))),
    firstByteMs: () => firstByteMs,
    observe: (sample) => {
      if (sample.firstByteMs >= 0) firstByteMs = blend(firstByteMs, sample.firstByteMs, waits++);
      if (sample.bytes < MIN_SAMPLE_BYTES || sample.bodyMs <= 0) return;
      bytesPerMs = blend(bytesPerMs, sample.bytes / sample.bodyMs, bodies++);
    },
  };
}

/** Never a byte that nobody asked for: no gap is worth anything. */
export function frugalCost(): CostModel {
  return { gapBytes: () => 0, firstByteMs: () => FIRST_GUESS.firstByteMs, observe: () => {} };
}

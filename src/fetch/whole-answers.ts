import type { ByteRange } from "../bytes/range.ts";
import type { CacheEntry } from "../cache/cache.ts";
import type { Flight } from "./flight.ts";

export interface WholeAnswersOptions {
  readonly entry: CacheEntry;
  readonly isFrugal: boolean;
  /** The parts of a range that neither the cache nor memory has. */
  readonly absent: (range: ByteRange) => readonly ByteRange[];
}

/** What is left of a whole blob that is worth having at once, when no range can be had later. */
const WORTH_FINISHING_BYTES = 8 * 1024 * 1024;
/** Bytes of a whole blob that may be on their way to the cache; beyond it, what is not held was not kept. */
const WRITE_LAG_BYTES = 32 * 1024 * 1024;

/** Decides about requests for ranges of one blob that are answered with all of it. */
export class WholeAnswers {
  readonly #options: WholeAnswersOptions;
  #count = 0;

  constructor(options: WholeAnswersOptions) {
    this.#options = options;
  }

  /** Takes in that `flight` brings the whole blob. True when all that it is waited for is here, or comes by one of `others`. */
  isSpare(flight: Flight, others: readonly Flight[]): boolean {
    const isSpare = others.some((other) => other.isWhole && this.#isBrought(flight, other.received));
    if (!isSpare) this.#count += 1;
    return isSpare;
  }

  /** Whether to take the rest of a whole blob that nobody waits for: when it is little, or all that this registry gives. */
  isWorthFinishing(flight: Flight): boolean {
    const { entry, isFrugal } = this.#options;
    if (isFrugal) return false;
    const isKept = entry.heldBytes + WRITE_LAG_BYTES >= flight.received;
    return isKept && (flight.remaining <= WORTH_FINISHING_BYTES || this.#count > 1);
  }

  /** Whether what a flight is waited for is here, or still to come from a whole answer that has come to `received`. */
  #isBrought({ segments }: Flight, received: number): boolean {
    return [...segments].every(({ range: { start, end } }) => {
      const passed = { start, end: Math.min(end, received) };
      return start >= received || this.#options.absent(passed).length === 0;
    });
  }
}

import { overlaps, subtractRanges, type ByteRange } from "../bytes/range.ts";
import type { CacheEntry } from "../cache/cache.ts";
import type { BlockPool } from "./block-pool.ts";
import type { ByteBudget } from "./budget.ts";
import type { Block } from "./flight.ts";
import type { PendingRead } from "./pending-read.ts";

/** Unwritten bytes of one blob from which on the network waits for the disk. */
const HOLD_BYTES = 16 * 1024 * 1024;

/** Blocks that have arrived and that the cache does not hold yet; reads are served from them meanwhile. */
export class Landing {
  readonly #entry: CacheEntry;
  readonly #budget: ByteBudget;
  readonly #pool: BlockPool;
  readonly #blocks = new Map<Block, Promise<void>>();
  #bytes = 0;

  constructor(entry: CacheEntry, options: { readonly budget: ByteBudget; readonly pool: BlockPool }) {
    this.#entry = entry;
    this.#budget = options.budget;
    this.#pool = options.pool;
  }

  /** Writes a block; `charge` goes back to the budget when it is done. A promise means: wait for it before more is taken. */
  add(block: Block, charge: number): void | Promise<void> {
    this.#bytes += block.bytes.length;
    const done = (): void => {
      this.#blocks.delete(block);
      this.#bytes -= block.bytes.length;
      this.#budget.give(charge);
      // An entry has copied or written what it was given once its promise settles: the memory is used again.
      this.#pool.give(block.memory);
    };
    const written = this.#entry.write(block.start, block.bytes).finally(done);
    this.#blocks.set(block, written);
    return this.#bytes > HOLD_BYTES ? written : void written;
  }

  /** The parts of `ranges` that are not here; what is here is given to `read`. */
  take(ranges: readonly ByteRange[], read?: PendingRead): readonly ByteRange[] {
    let rest = ranges;
    for (const block of this.#blocks.keys()) rest = takeBlock(block, rest, read);
    return rest;
  }

  /** Resolves when all that has come so far is written. */
  async settled(): Promise<void> {
    await Promise.all(this.#blocks.values());
  }
}

/** `ranges` without what `block` has of them, which goes to `read`. */
export function takeBlock(block: Block, ranges: readonly ByteRange[], read?: PendingRead): readonly ByteRange[] {
  const place = { start: block.start, end: block.start + block.bytes.length };
  if (!ranges.some((range) => overlaps(range, place))) return ranges;
  return ranges.flatMap((range) => {
    if (!overlaps(range, place)) return [range];
    read?.fill(block.start, block.bytes);
    return subtractRanges(range, [place]);
  });
}

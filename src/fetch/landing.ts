import { overlaps, subtractRanges, type ByteRange } from "../bytes/range.ts";
import type { CacheEntry } from "../cache/cache.ts";
import { BLOCK_BYTES, type BlockPool } from "./block-pool.ts";
import type { ByteBudget } from "./budget.ts";
import type { Block } from "./flight.ts";
import type { PendingRead } from "./pending-read.ts";

/** Unwritten bytes of one blob from which on the network waits for the disk. */
const HOLD_BYTES = 16 * 1024 * 1024;
/** Who waits is answered first, and its next request is on its way, before the disk is written to. */
const WRITE_LATER_MS = 3;

/** Blocks that have arrived and that the cache does not hold yet; reads are served from them meanwhile. */
export class Landing {
  readonly #entry: CacheEntry;
  readonly #budget: ByteBudget;
  readonly #pool: BlockPool;
  readonly #blocks = new Map<Block, Promise<void>>();
  #bytes = 0;
  /** Begin the writes that wait. */
  #waiting: (() => void)[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;

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
    const written = this.#turn(block)
      .then(() => this.#entry.write(block.start, block.bytes))
      .finally(done);
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
    this.#writeNow();
    await Promise.all(this.#blocks.values());
  }

  /** Resolves when a block is to be written: soon, and at once when as much waits as a full block has. */
  #turn({ bytes }: Block): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= BLOCK_BYTES) this.#writeNow();
    else this.#timer ??= setTimeout(() => this.#writeNow(), WRITE_LATER_MS);
    return turn;
  }

  #writeNow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waitingBytes = 0;
    for (const begin of this.#waiting.splice(0)) begin();
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

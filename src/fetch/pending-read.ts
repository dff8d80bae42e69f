import { rangeLength, type ByteRange } from "../bytes/range.ts";
import type { Priority } from "../bytes/source.ts";
import { rawBytes } from "./block-pool.ts";
import type { Segment } from "./flight.ts";

/** One read that waits for bytes of several origins: the cache, memory, requests. Settles once. */
export class PendingRead {
  readonly range: ByteRange;
  readonly priority: Priority;
  readonly handle: number | undefined;
  /** Its number in a trace. */
  readonly id: number | undefined;
  readonly bytes: Promise<Uint8Array>;
  /** What it waits for of requests under way. */
  readonly segments: Set<Segment> = new Set();
  /** Bytes of it that had not arrived when it was asked for. */
  lackedBytes = 0;
  readonly #out: Uint8Array;
  #pending = 0;
  #isSettled = false;
  #resolve: (bytes: Uint8Array) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(
    range: ByteRange,
    options: { readonly priority: Priority; readonly handle: number | undefined; readonly id?: number | undefined },
  ) {
    this.range = range;
    this.priority = options.priority;
    this.handle = options.handle;
    this.id = options.id;
    // Every byte is filled before it is given away: `#pending` counts all parts.
    this.#out = rawBytes(rangeLength(range));
    this.bytes = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** `holes`, disjoint, must come over the network. */
  lacks(holes: readonly ByteRange[]): void {
    const { start, end } = this.range;
    for (const hole of holes) this.lackedBytes += Math.max(0, Math.min(end, hole.end) - Math.max(start, hole.start));
  }

  /** Takes what it can use of `bytes`, which lie at `offset`. */
  fill(offset: number, bytes: Uint8Array): void {
    const start = Math.max(offset, this.range.start);
    const end = Math.min(offset + bytes.length, this.range.end);
    if (start >= end) return;
    const isAll = start === offset && end === offset + bytes.length;
    this.#out.set(isAll ? bytes : bytes.subarray(start - offset, end - offset), start - this.range.start);
  }

  /** One more thing must arrive before the read is answered. */
  expect(): void {
    this.#pending += 1;
  }

  arrived(): void {
    this.#pending -= 1;
    if (this.#pending > 0 || this.#isSettled) return;
    this.#isSettled = true;
    this.#resolve(this.#out);
  }

  fail(error: unknown): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#reject(error);
  }
}

import { PAGE_BYTES, rangeLength, type ByteRange } from "../bytes/range.ts";
import { RiffleError } from "../errors.ts";
import type { Priority } from "../bytes/source.ts";
import { BLOCK_BYTES, type BlockPool } from "./block-pool.ts";
import type { PendingRead } from "./pending-read.ts";

/** The part of a read that one request brings. */
export interface Segment {
  readonly range: ByteRange;
  readonly read: PendingRead;
  readonly flight: Flight;
  /** How often this part of the read was planned. */
  readonly tries: number;
  /** The request was under way when the read came: its time limit is not the read's. */
  readonly hasJoined: boolean;
}

/** Bytes on their way to the cache, whole pages from `start`, and the memory that they lie in. */
export interface Block {
  readonly start: number;
  readonly bytes: Uint8Array;
  readonly memory: Uint8Array;
}

export interface FlightEvents {
  /** A block is full. A promise holds the connection back until it settles. */
  block(flight: Flight, block: Block): void | Promise<void>;
  /** A segment has all its bytes; it is no longer the flight's. */
  segment(segment: Segment): void;
  /** The answer turned out to be the whole content from offset 0. */
  whole(flight: Flight): void;
}

export interface FlightOptions {
  readonly priority: Priority;
  /** Begun because the bytes are likely to be wanted, not because anyone waits for them. */
  readonly isSpeculative: boolean;
  readonly handle?: number | undefined;
  readonly size: number;
  readonly pool: BlockPool;
  readonly events: FlightEvents;
}

const NEARLY_DONE_BYTES = 256 * 1024;

/** One request for a stretch of whole pages: gathers what arrives into blocks and gives it to the reads that wait for it. */
export class Flight {
  readonly options: FlightOptions;
  readonly controller: AbortController = new AbortController();
  readonly segments: Set<Segment> = new Set();
  /** The numbers of all reads that ever waited for it, where reads are traced. */
  readonly readIds: Set<number> = new Set();
  priority: Priority;
  range: ByteRange;
  /** All before this offset (from `range.start`) has arrived. */
  received: number;
  isWhole = false;
  isRunning = false;
  /** Bytes of the budget that it holds. */
  charge = 0;
  #block: Uint8Array | undefined;
  #filled = 0;

  constructor(range: ByteRange, options: FlightOptions) {
    this.range = range;
    this.received = range.start;
    this.priority = options.priority;
    this.options = options;
  }

  get remaining(): number {
    return this.range.end - this.received;
  }

  /** Whether it is cheaper to let it end than to break it off: its connection would be lost. */
  get isNearlyDone(): boolean {
    return this.received > this.range.start && this.remaining <= NEARLY_DONE_BYTES;
  }

  attach(read: PendingRead, range: ByteRange, tries: number): void {
    const segment: Segment = { range, read, flight: this, tries, hasJoined: this.isRunning };
    read.expect();
    read.segments.add(segment);
    this.segments.add(segment);
    if (read.id !== undefined) this.readIds.add(read.id);
  }

  detach(segment: Segment): void {
    this.segments.delete(segment);
    segment.read.segments.delete(segment);
  }

  detachAll(): void {
    for (const segment of this.segments) this.detach(segment);
  }

  /** What has arrived and is not in a full block yet. */
  get gathered(): Block | undefined {
    if (this.#block === undefined || this.#filled === 0) return undefined;
    const bytes = this.#block.subarray(0, this.#filled);
    return { start: this.received - this.#filled, bytes, memory: this.#block };
  }

  accept(offset: number, bytes: Uint8Array): void | Promise<void> {
    if (offset !== this.received || offset + bytes.length > this.range.end) this.#becomeWhole(offset);
    let held: void | Promise<void> = undefined;
    for (let at = 0; at < bytes.length;) {
      this.#block ??= this.options.pool.take(Math.min(BLOCK_BYTES, this.remaining));
      const piece = bytes.subarray(at, at + this.#block.length - this.#filled);
      this.#block.set(piece, this.#filled);
      this.#filled += piece.length;
      this.received += piece.length;
      at += piece.length;
      if (this.#filled === this.#block.length) held = this.flush() ?? held;
    }
    this.#serve(offset, bytes);
    return held;
  }

  /** Gives away what is gathered, cut to whole pages unless it ends the content. */
  flush(): void | Promise<void> {
    const block = this.gathered;
    this.#block = undefined;
    this.#filled = 0;
    if (block === undefined) return;
    const end = block.start + block.bytes.length;
    const whole = end === this.options.size ? end : Math.floor(end / PAGE_BYTES) * PAGE_BYTES;
    if (whole <= block.start) return;
    const bytes = whole === end ? block.bytes : block.bytes.subarray(0, whole - block.start);
    return this.options.events.block(this, { ...block, bytes });
  }

  #serve(offset: number, bytes: Uint8Array): void {
    for (const segment of this.segments) {
      const { range, read } = segment;
      if (range.start >= this.received || range.end <= offset) continue;
      read.fill(offset, bytes);
      if (range.end > this.received) continue;
      this.detach(segment);
      this.options.events.segment(segment);
    }
  }

  /** The source starts over at an offset of its own: nothing of what was gathered is lost but a broken page. */
  #becomeWhole(offset: number): void {
    if (offset !== this.received) {
      if (offset % PAGE_BYTES !== 0) throw new RiffleError("internal", `bytes came from ${offset}, inside a page`);
      void this.flush();
    }
    const isNews = !this.isWhole;
    this.isWhole = true;
    this.range = { start: Math.min(offset, this.range.start), end: this.options.size };
    this.received = offset;
    if (isNews) this.options.events.whole(this);
  }
}

export function flightLength(flight: Flight): number {
  return rangeLength(flight.range);
}

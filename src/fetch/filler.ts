import type { Limiter } from "../bytes/limiter.ts";
import { alignToPages, PAGE_BYTES, rangeLength, splitRange, subtractRanges, type ByteRange } from "../bytes/range.ts";
import type { StreamingSource } from "../bytes/source.ts";
import type { CacheEntry } from "../cache/cache.ts";
import { isRiffleError, RiffleError } from "../errors.ts";
import { BlockPool } from "./block-pool.ts";
import type { ByteBudget } from "./budget.ts";
import type { CostModel } from "./cost.ts";
import { coverageOf, waitFor, type Need } from "./coverage.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Flight, type Block, type FlightEvents, type Segment } from "./flight.ts";
import { Landing, takeBlock } from "./landing.ts";
import type { PendingRead } from "./pending-read.ts";
import { joinedParts, planParts, type PlannedPart, type WantedRange } from "./planner.ts";
import { MAX_UNIT_BYTES } from "./extent-follower.ts";
import type { Advice } from "./advice.ts";
import type { Trace } from "./trace.ts";
import { WholeAnswers } from "./whole-answers.ts";

export interface FillerOptions {
  readonly source: StreamingSource;
  readonly entry: CacheEntry;
  readonly limiter: Limiter;
  readonly budget: ByteBudget;
  readonly limit: number;
  readonly cost: CostModel;
  readonly isFrugal: boolean;
  readonly now: () => number;
  readonly trace?: Trace;
  /** What was guessed for an open file did not come. */
  readonly guessFailed: (range: ByteRange, handle: number | undefined) => void;
  /** Asked once for each read that is planned. */
  readonly advise: (read: PendingRead) => Advice | undefined;
  /** Advice was followed: streams have moved. */
  readonly advised: () => void;
}

interface Wanted extends WantedRange {
  readonly need: Need | undefined;
}

/** More than ever happens to a part (held and evicted, a failed guess, a registry that stops giving ranges), and an end. */
const MAX_TRIES = 6;
/** Units are few requests, not many: their pages at both ends count too. */
const WHOLE_UNIT_BYTES = MAX_UNIT_BYTES + 2 * PAGE_BYTES;
const WHOLE_UNITS = { splitBytes: WHOLE_UNIT_BYTES, partBytes: WHOLE_UNIT_BYTES } as const;

/** Brings the missing pages of one blob: plans what is wanted, follows what is under way, answers who waits. */
export class Filler {
  readonly #options: FillerOptions;
  readonly #dispatcher: Dispatcher;
  readonly #landing: Landing;
  readonly #pool = new BlockPool();
  readonly #wholeAnswers: WholeAnswers;
  readonly #events: FlightEvents;
  #needs: Need[] = [];
  #isScheduled = false;
  #closed: RiffleError | undefined;

  constructor(options: FillerOptions) {
    this.#options = options;
    this.#landing = new Landing(options.entry, { budget: options.budget, pool: this.#pool });
    this.#wholeAnswers = new WholeAnswers({ ...options, absent: (range) => this.#absent(range) });
    this.#events = {
      block: (flight, block) => this.#land(flight, block),
      segment: (segment) => this.#arrived(segment),
      whole: (flight) => this.#isWhole(flight),
    };
    this.#dispatcher = new Dispatcher({ ...options, ended: (flight, error) => this.#ended(flight, error) });
  }

  /** Plans a read with all others of this turn of the event loop. */
  want(read: PendingRead, isForced: boolean): void {
    if (this.#closed !== undefined) return read.fail(this.#closed);
    read.expect();
    this.#queue({ read, range: read.range, tries: 0, isForced });
  }

  /** Ends one read. Requests that nobody else waits for end too. */
  abandon(read: PendingRead, error: unknown): void {
    read.fail(error);
    for (const segment of read.segments) {
      segment.flight.detach(segment);
      this.#stopIfUnwanted(segment.flight);
    }
  }

  /** Asks for what will be wanted, as far as memory allows. */
  prefetch({ units, early, run }: Advice, handle: number | undefined): void {
    // Where ranges are ignored, each guess would be the whole blob again.
    if (this.#closed !== undefined || this.#dispatcher.isRangeless) return;
    const flights: Flight[] = [];
    const busy = coverageOf(this.#dispatcher.flights()).map((cover) => cover.range);
    const absent = [...units, ...early].flatMap((range) => this.#absent(range));
    const guesses = joinedParts(absent, { gapBytes: this.#options.cost.gapBytes(), ...WHOLE_UNITS });
    for (const part of guesses) if (!this.#guess(part, busy, handle, flights)) break;
    const parts = run?.ahead === undefined ? [] : splitRange(run.ahead, run.partBytes);
    for (const part of parts) {
      if (run === undefined || !this.#guess(part, busy, handle, flights)) break;
      run.stream.horizon = Math.max(run.stream.horizon, part.end);
    }
    if (flights.length > 0) this.#dispatcher.add(flights);
  }

  /** Drops what was guessed for an open file that is closed. */
  release(handle: number): void {
    for (const flight of this.#dispatcher.flights()) {
      const { isSpeculative, handle: owner } = flight.options;
      if (!isSpeculative || owner !== handle || flight.segments.size > 0 || flight.isWhole) continue;
      if (!flight.isNearlyDone) this.#drop(flight);
    }
  }

  async close(reason: RiffleError): Promise<void> {
    this.#closed = reason;
    for (const need of this.#needs.splice(0)) need.read.fail(reason);
    for (const flight of this.#dispatcher.flights()) {
      for (const { read } of flight.segments) read.fail(reason);
      this.#dispatcher.drop(flight, reason);
    }
    await this.#dispatcher.settled();
    await this.#landing.settled();
  }

  #queue(need: Need): void {
    this.#needs.push(need);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#plan());
  }

  #plan(): void {
    this.#isScheduled = false;
    const needs = this.#needs.splice(0).filter((need) => !need.read.isSettled);
    const advices: { readonly advice: Advice; readonly handle: number | undefined }[] = [];
    const wanted: Wanted[] = [];
    for (const need of needs) {
      const { priority, handle } = need.read;
      for (const range of this.#pieces(need)) wanted.push({ range, priority, need });
      const advice = need.tries === 0 ? this.#options.advise(need.read) : undefined;
      if (advice === undefined) continue;
      advices.push({ advice, handle });
      for (const range of advice.units.flatMap((unit) => this.#absent(unit))) {
        wanted.push({ range, priority, need: undefined });
      }
    }
    // The reader of a running stream waits for one part of its window: that one must not take longer than the others.
    const running = advices.flatMap(({ advice }) => (advice.run?.ahead === undefined ? [] : [advice.run.partBytes]));
    const hasUnits = advices.some(({ advice }) => advice.units.length > 0);
    this.#send(wanted, hasUnits ? WHOLE_UNITS : running.length === 0 ? {} : { splitBytes: Math.min(...running) });
    for (const need of needs) need.read.arrived();
    for (const { advice, handle } of advices) this.prefetch({ ...advice, units: [] }, handle);
    if (advices.length > 0) this.#options.advised();
  }

  /** What of a need must come over the network; the rest is on its way from the cache or memory when this returns. */
  #pieces(need: Need): readonly ByteRange[] {
    const { read, range, isForced } = need;
    const { entry } = this.#options;
    const holes = isForced ? [alignToPages(range, entry.size)] : entry.missing(range);
    if (!isForced) for (const held of subtractRanges(range, holes)) void this.#fromEntry(need, held);
    const pieces = this.#notHere(holes, read);
    if (need.tries === 0) read.lacks(pieces);
    return pieces;
  }

  #absent(range: ByteRange): readonly ByteRange[] {
    return this.#notHere(this.#options.entry.missing(range));
  }

  /** The parts of `holes` that have not arrived; what has, goes to `read`. What an aborted flight gathered does not count. */
  #notHere(holes: readonly ByteRange[], read?: PendingRead): readonly ByteRange[] {
    let rest = this.#landing.take(holes, read);
    for (const { gathered, controller } of this.#dispatcher.flights()) {
      if (gathered !== undefined && !controller.signal.aborted) rest = takeBlock(gathered, rest, read);
    }
    return rest;
  }

  async #fromEntry(need: Need, range: ByteRange): Promise<void> {
    need.read.expect();
    const bytes = await this.#options.entry.read(range).catch(() => undefined);
    if (bytes === undefined) return this.#again({ ...need, range, isForced: true });
    need.read.fill(range.start, bytes);
    need.read.arrived();
  }

  #again(need: Need): void {
    if (need.read.isSettled) return;
    if (this.#closed !== undefined) return this.abandon(need.read, this.#closed);
    if (need.tries < MAX_TRIES) return this.#queue({ ...need, tries: need.tries + 1 });
    const says = `blob ${this.#options.source.id} was asked for ${MAX_TRIES} times and did not arrive`;
    this.abandon(need.read, new RiffleError("misbehaved", says));
  }

  #send(wanted: readonly Wanted[], sizes: { readonly splitBytes?: number; readonly partBytes?: number }): void {
    if (wanted.length === 0) return;
    const coverage = coverageOf(this.#dispatcher.flights());
    const plan = planParts(wanted, {
      inFlight: coverage.map((cover) => cover.range),
      gapBytes: this.#options.cost.gapBytes(),
      idle: this.#dispatcher.idle,
      ...sizes,
    });
    const flights = plan.parts.map((part) => this.#flight(part, false));
    wanted.forEach(({ range, need }, index) => {
      const waits = plan.waits[index];
      if (need === undefined || waits === undefined) return;
      for (const place of waits.inFlight) {
        const cover = coverage[place];
        if (cover === undefined) continue;
        waitFor(cover.flight, need, [range, cover.range]);
        this.#dispatcher.promote(cover.flight, need.read.priority);
      }
      for (const place of waits.parts) {
        const flight = flights[place];
        if (flight !== undefined) waitFor(flight, need, [range, flight.range]);
      }
    });
    this.#dispatcher.add(flights);
  }

  #flight({ range, priority }: PlannedPart, isSpeculative: boolean, handle?: number): Flight {
    return new Flight(range, {
      priority,
      isSpeculative,
      handle,
      size: this.#options.entry.size,
      pool: this.#pool,
      events: this.#events,
    });
  }

  /** Adds flights for what is not here of a range; false when there is no memory for it. */
  #guess(range: ByteRange, busy: readonly ByteRange[], handle: number | undefined, flights: Flight[]): boolean {
    for (const piece of this.#absent(range).flatMap((hole) => subtractRanges(hole, busy))) {
      if (!this.#options.budget.tryTake(rangeLength(piece))) return false;
      const flight = this.#flight({ range: piece, priority: "prefetch" }, true, handle);
      flight.charge = rangeLength(piece);
      flights.push(flight);
    }
    return true;
  }

  #land(flight: Flight, block: Block): void | Promise<void> {
    const charge = Math.min(block.bytes.length, flight.charge);
    flight.charge -= charge;
    const place = { start: block.start, end: block.start + block.bytes.length };
    if (!flight.isWhole || this.#options.entry.missing(place).length > 0) return this.#landing.add(block, charge);
    this.#options.budget.give(charge);
  }

  #arrived({ read, flight }: Segment): void {
    read.arrived();
    if (flight.isWhole) this.#stopIfUnwanted(flight);
  }

  #stopIfUnwanted(flight: Flight): void {
    const { isSpeculative } = flight.options;
    if (flight.segments.size > 0 || (isSpeculative && !flight.isWhole)) return;
    const mayEnd = flight.isWhole ? this.#wholeAnswers.isWorthFinishing(flight) : flight.isNearlyDone;
    if (!mayEnd) this.#drop(flight);
  }

  /** A request for a range brings the whole blob: whoever waits for another part of it waits for this one. */
  #isWhole(flight: Flight): void {
    this.#dispatcher.isRangeless = true;
    const others = this.#dispatcher.flights().filter((other) => other !== flight && !other.controller.signal.aborted);
    if (this.#wholeAnswers.isSpare(flight, others)) return this.#recall(flight);
    for (const other of others) if (!other.isRunning) this.#recall(other);
    this.#stopIfUnwanted(flight);
  }

  /** Takes the reads off a flight, to be planned anew, and ends it. */
  #recall(flight: Flight): void {
    for (const { read, range, tries } of flight.segments) this.#again({ read, range, tries, isForced: false });
    flight.detachAll();
    this.#drop(flight);
  }

  #drop(flight: Flight): void {
    this.#dispatcher.drop(flight, new RiffleError("aborted", "nobody waits for these bytes"));
  }

  #ended(flight: Flight, error: unknown): void {
    const { isSpeculative, handle } = flight.options;
    if (this.#dispatcher.flights().length === 0) this.#pool.clear();
    if (error === undefined && !flight.isWhole && flight.range.start > 0) this.#dispatcher.isRangeless = false;
    const isLost = error !== undefined && isSpeculative && !flight.controller.signal.aborted;
    if (isLost) this.#options.guessFailed(flight.range, handle);
    for (const segment of flight.segments) {
      flight.detach(segment);
      const { read, range, tries, hasJoined } = segment;
      // A guess that failed is not the reader's failure, nor is the time of a request that began before it: it asks for itself.
      const isAnothers = isSpeculative || (hasJoined && isRiffleError(error) && error.code === "timeout");
      if (isAnothers || flight.controller.signal.aborted) this.#again({ read, range, tries, isForced: false });
      else this.abandon(read, error ?? new RiffleError("internal", "a request ended without its bytes"));
    }
  }
}

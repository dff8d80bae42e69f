import type { Limiter } from "../bytes/limiter.ts";
import type { Priority, StreamingSource } from "../bytes/source.ts";
import { RiffleError } from "../errors.ts";
import type { ByteBudget } from "./budget.ts";
import type { CostModel } from "./cost.ts";
import { flightLength, type Flight } from "./flight.ts";
import type { Purpose, Trace } from "./trace.ts";

export interface DispatcherOptions {
  readonly source: StreamingSource;
  /** Requests at once of the whole process. */
  readonly limiter: Limiter;
  readonly budget: ByteBudget;
  /** Requests at once of this blob. */
  readonly limit: number;
  readonly cost: CostModel;
  readonly now: () => number;
  readonly trace?: Trace;
  /** A flight is over; `error` is undefined when all its bytes arrived. */
  readonly ended: (flight: Flight, error: unknown) => void;
}

const ORDER: readonly Priority[] = ["metadata", "demand", "prefetch"];

/** A registry that ignores ranges sends the whole blob for each request: two at once, the second for what the first has passed. */
const RANGELESS_LIMIT = 2;

/** Sends one blob's flights: who waits goes before who guesses, and one slot is never given to a guess. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #queue = new Set<Flight>();
  readonly #running = new Set<Flight>();
  readonly #flying = new Set<Promise<void>>();
  readonly #waits = new Map<Flight, AbortController>();
  #isRangeless = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** All that is coming, queued or under way. */
  flights(): readonly Flight[] {
    return [...this.#running, ...this.#queue];
  }

  /** Resolves when every flight that was sent has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#flying);
  }

  get idle(): number {
    return Math.max(1, this.#options.limit - this.#running.size - this.#queue.size);
  }

  set isRangeless(value: boolean) {
    this.#isRangeless = value;
  }

  get isRangeless(): boolean {
    return this.#isRangeless;
  }

  add(flights: readonly Flight[]): void {
    for (const flight of flights) this.#queue.add(flight);
    this.#pump();
  }

  /** A flight is wanted more than it was: it moves up in whatever it waits in. */
  promote(flight: Flight, priority: Priority): void {
    if (ORDER.indexOf(priority) >= ORDER.indexOf(flight.priority)) return;
    flight.priority = priority;
    this.#waits.get(flight)?.abort();
    this.#pump();
  }

  /** Ends a flight that nobody wants. What has arrived is kept. */
  drop(flight: Flight, reason: unknown): void {
    flight.controller.abort(reason);
    this.#waits.get(flight)?.abort();
    if (this.#queue.delete(flight)) this.#end(flight, reason);
  }

  #pump(): void {
    const limit = this.#isRangeless ? RANGELESS_LIMIT : this.#options.limit;
    for (;;) {
      const flight = this.#next(limit);
      if (flight === undefined) return;
      this.#queue.delete(flight);
      this.#running.add(flight);
      flight.isRunning = true;
      const flying = this.#fly(flight).finally(() => this.#flying.delete(flying));
      this.#flying.add(flying);
    }
  }

  #next(limit: number): Flight | undefined {
    let best: Flight | undefined;
    for (const flight of this.#queue) {
      if (best === undefined || ORDER.indexOf(flight.priority) < ORDER.indexOf(best.priority)) best = flight;
      if (best.priority === "metadata") break;
    }
    return best !== undefined && this.#running.size < this.#slots(best, limit) ? best : undefined;
  }

  /** Who waits is not to wait for guesses: while they hold slots, there is one more that they cannot have. */
  #slots(flight: Flight, limit: number): number {
    if (flight.priority === "prefetch") return limit;
    for (const running of this.#running) if (running.priority === "prefetch") return limit + 1;
    return limit;
  }

  async #fly(flight: Flight): Promise<void> {
    let failure: unknown;
    try {
      if (flight.charge === 0) {
        const bytes = flightLength(flight);
        const { budget } = this.#options;
        // Without a turn of waiting where none is needed, or what was guessed would be sent first.
        if (!budget.takeNow(bytes)) await budget.take(bytes, flight.controller.signal);
        flight.charge = bytes;
      }
      await this.#admit(flight);
      if (flight.remaining > 0)
        throw new RiffleError("internal", `${this.#options.source.id} gave less than it was asked for`);
    } catch (error) {
      failure = error;
    }
    this.#running.delete(flight);
    this.#waits.delete(flight);
    this.#end(flight, failure);
    this.#pump();
  }

  /** Waits for a slot of the process; a promotion meanwhile means to queue again, further up. */
  async #admit(flight: Flight): Promise<void> {
    const { limiter } = this.#options;
    while (!limiter.hasRoom(flight.priority)) {
      const wait = new AbortController();
      this.#waits.set(flight, wait);
      let hasBegun = false;
      const job = (): Promise<void> => {
        hasBegun = true;
        this.#waits.delete(flight);
        return this.#stream(flight);
      };
      try {
        return await limiter.run(job, { priority: flight.priority, signal: wait.signal });
      } catch (error) {
        if (hasBegun || flight.controller.signal.aborted || !wait.signal.aborted) throw error;
      }
    }
    await limiter.run(() => this.#stream(flight), { priority: flight.priority });
  }

  async #stream(flight: Flight): Promise<void> {
    const { source, cost, now, trace } = this.#options;
    const { signal } = flight.controller;
    const begun = now();
    let first = 0;
    let later = 0;
    const sink = (offset: number, bytes: Uint8Array): void | Promise<void> => {
      if (first === 0) first = now();
      else later += bytes.length;
      return flight.accept(offset, bytes);
    };
    const send = (): Promise<void> => source.stream(flight.range, sink, { signal, priority: flight.priority });
    await (trace === undefined ? send() : trace.during(purposeOf(flight, source.id), send));
    cost.observe({ firstByteMs: first - begun, bytes: later, bodyMs: now() - first });
  }

  #end(flight: Flight, failure: unknown): void {
    void flight.flush();
    this.#options.budget.give(flight.charge);
    flight.charge = 0;
    this.#options.ended(flight, failure);
  }
}

function purposeOf(flight: Flight, digest: string): Purpose {
  return { digest, range: flight.range, reads: () => [...flight.readIds], priority: () => flight.priority };
}

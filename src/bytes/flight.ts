import { abortError } from "../errors.ts";

interface Flight<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

/**
 * One run of a job for all who ask for the same key at the same time. A rejection reaches every waiter and is forgotten.
 * One waiter's abort detaches that waiter alone; when the last one leaves, the job's own signal is aborted.
 */
export class SingleFlight<K, T> {
  readonly #flights = new Map<K, Flight<T>>();

  /** The number of jobs running. */
  get size(): number {
    return this.#flights.size;
  }

  run(key: K, job: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    const flight = this.#flights.get(key) ?? this.#start(key, job);
    flight.waiters += 1;
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        signal?.removeEventListener("abort", onAbort);
        flight.waiters -= 1;
      };
      const onAbort = (): void => {
        leave();
        if (flight.waiters === 0) {
          if (this.#flights.get(key) === flight) this.#flights.delete(key);
          flight.controller.abort(abortError(signal));
        }
        reject(abortError(signal));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      flight.promise.then(
        (value) => {
          leave();
          resolve(value);
        },
        (error: unknown) => {
          leave();
          reject(error);
        },
      );
    });
  }

  #start(key: K, job: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const promise = (async () => job(controller.signal))();
    const flight: Flight<T> = { promise, controller, waiters: 0 };
    const forget = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    promise.then(forget, forget);
    this.#flights.set(key, flight);
    return flight;
  }
}

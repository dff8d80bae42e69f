/** What is kept between jobs and must be ended. */
export interface Thread {
  close(): Promise<void>;
}

/**
 * Threads that readers use together, by what they are for: a decoder is compiled once, however many files are opened. Whoever makes
 * one closes it, after the readers.
 */
export class SharedThreads implements AsyncDisposable {
  readonly #threads = new Map<string, Thread>();

  /** The one of this name; `make` must give the same kind for the same name. */
  get<T extends Thread>(name: string, make: () => T): T {
    const known = this.#threads.get(name);
    // made by the same `make`, as the contract says
    if (known !== undefined) return known as T;
    const made = make();
    this.#threads.set(name, made);
    return made;
  }

  async close(): Promise<void> {
    const threads = [...this.#threads.values()];
    this.#threads.clear();
    await Promise.all(threads.map((thread) => thread.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

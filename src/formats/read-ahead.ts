/** How jobs are read. */
interface Ahead<Job, Result> {
  /** Its signal ends when the iteration does. */
  readonly read: (job: Job, signal: AbortSignal) => Promise<Result>;
  readonly signal?: AbortSignal;
}

/** The results of jobs in their order; while one is used the next is read. Ending the iteration ends the reading. */
export async function* ahead<Job, Result>(
  jobs: Iterable<Job>,
  { read, signal }: Ahead<Job, Result>,
): AsyncGenerator<Result> {
  const ending = new AbortController();
  const both = signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]);
  const start = (job: Job): Promise<Result> => {
    const result = read(job, both);
    // It is awaited later, or not at all when the iteration ends first.
    result.catch(() => undefined);
    return result;
  };
  const iterator = jobs[Symbol.iterator]();
  const take = (): Promise<Result> | undefined => {
    const next = iterator.next();
    return next.done === true ? undefined : start(next.value);
  };
  try {
    let current = take();
    while (current !== undefined) {
      signal?.throwIfAborted();
      const next = take();
      yield await current;
      current = next;
    }
  } finally {
    ending.abort();
  }
}

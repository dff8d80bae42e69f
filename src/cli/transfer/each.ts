/**
 * Runs `job` on every item, `width` at a time and in order of start. The first failure ends the rest: `signal` is aborted
 * for those that run, and it is thrown once they have ended.
 */
export async function eachAtOnce<T>(
  items: readonly T[],
  job: (item: T, signal: AbortSignal) => Promise<void>,
  options: { readonly width: number; readonly signal?: AbortSignal },
): Promise<void> {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const iterator = items.values();
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    for (const item of iterator) {
      if (signal.aborted) return;
      try {
        await job(item, signal);
      } catch (error) {
        failures.push(error);
        stop.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.width, items.length) }, work));
  if (failures.length > 0) throw failures[0];
  options.signal?.throwIfAborted();
}

import { setMaxListeners } from "node:events";
import type { ReadOptions } from "./source.ts";

/**
 * Does `work` with options whose signal any number of waits may listen to, and the caller's own has one listener more, for as
 * long as the work takes: Node warns on stderr of more than ten.
 */
export async function withOneListener<T>(
  options: ReadOptions | undefined,
  work: (options: ReadOptions | undefined) => Promise<T>,
): Promise<T> {
  const signal = options?.signal;
  if (signal === undefined || signal.aborted) return work(options);
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  const onAbort = (): void => controller.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await work({ ...options, signal: controller.signal });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

import { abortError } from "../../errors.ts";

/**
 * The same items, until `signal` aborts: then the loop ends with its error at once, whatever the source is still at. The
 * source is told to end in any case, and waited for where nobody is in a hurry.
 */
export async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  const { promise: aborted, reject } = deferred();
  const onAbort = (): void => reject(abortError(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    for (;;) {
      if (signal.aborted) throw abortError(signal);
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    const ended = Promise.resolve(iterator.return?.()).catch(() => undefined);
    if (!signal.aborted) await ended;
  }
}

function deferred(): { readonly promise: Promise<never>; readonly reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<never>((_, fail) => (reject = fail));
  // It may be rejected when nobody races it any more.
  promise.catch(() => undefined);
  return { promise, reject };
}

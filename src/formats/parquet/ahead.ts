/**
 * The results of `run` for each item in order, each begun while the one before it is worked on (`eager`), or when it is asked for. When
 * the reading ends early, what was begun is left to end by itself.
 */
export async function* ahead<T, R>(
  items: readonly T[],
  run: (item: T) => Promise<R>,
  { eager = true }: { readonly eager?: boolean } = {},
): AsyncGenerator<R, void, undefined> {
  let next: Promise<R> | undefined;
  const start = (at: number): Promise<R> | undefined => {
    const item = items[at];
    if (at >= items.length) return undefined;
    // The item is there: the index was checked.
    const started = run(item as T);
    // Whoever waits for it sees the failure; nobody may be waiting yet, or ever.
    started.catch(() => undefined);
    return started;
  };
  for (let at = 0; at < items.length; at++) {
    const current = next ?? start(at);
    if (current === undefined) return;
    const result = await current;
    next = eager ? start(at + 1) : undefined;
    yield result;
  }
}

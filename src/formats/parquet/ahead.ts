/** How items are worked on. */
export interface Ahead<T, R> {
  readonly run: (item: T) => Promise<R>;
  readonly weigh: (item: T) => number;
  /** What may be begun at once, by weight: what is under way, what waits to be taken, and what its taker works on. */
  readonly most: number;
}

/** Somebody waits, somebody else says when to look again. */
class Bell {
  #ring: () => void = () => undefined;

  wait(): Promise<void> {
    return new Promise((resolve) => (this.#ring = resolve));
  }

  ring(): void {
    this.#ring();
  }
}

/**
 * The results of `run` in the order of the items, begun ahead of their taker: as many as weigh `most` together, and one at least. What
 * was freed is used again once it is the half, so that what can begin together does. When the reading ends early, what was begun is
 * left to end by itself.
 */
export async function* ahead<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  { run, weigh, most }: Ahead<T, R>,
): AsyncGenerator<R, void, undefined> {
  const begun: { readonly result: Promise<R>; readonly weight: number }[] = [];
  const arrival = new Bell();
  const room = new Bell();
  let held = 0;
  let isOver = false;
  const isFull = (): boolean => held > most / 2 && !isOver;
  const isComing = (): boolean => begun.length === 0 && !isOver;
  const begin = async (): Promise<void> => {
    for await (const item of items) {
      const weight = weigh(item);
      if (held > 0 && held + weight > most) while (isFull()) await room.wait();
      if (isOver) return;
      held += weight;
      const result = run(item);
      // Its taker sees the failure; nobody may be waiting yet, or ever.
      result.catch(() => undefined);
      begun.push({ result, weight });
      arrival.ring();
    }
  };
  const beginning = begin().finally(() => {
    isOver = true;
    arrival.ring();
  });
  beginning.catch(() => undefined);
  try {
    for (;;) {
      while (isComing()) await arrival.wait();
      const next = begun.shift();
      if (next === undefined) return await beginning;
      yield await next.result;
      held -= next.weight;
      room.ring();
    }
  } finally {
    isOver = true;
    room.ring();
  }
}

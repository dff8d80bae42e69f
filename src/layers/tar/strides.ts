/** Longest repetition that is looked for: members of one kind, or a handful of files for each thing in a row of them. */
const MOST_PERIOD = 16;
const KEPT = 4 * MOST_PERIOD;

/**
 * The distances from member to member, and what comes next if they go on as they went: archives of many like things repeat
 * their sizes.
 */
export class Strides {
  readonly #last: number[] = [];

  saw(stride: number): void {
    this.#last.push(stride);
    if (this.#last.length > KEPT) this.#last.shift();
  }

  /** The middle one of the last eight; undefined before the first. */
  get usual(): number | undefined {
    const recent = this.#last.slice(-8).toSorted((a, b) => a - b);
    return recent[recent.length >> 1];
  }

  /** The next `count` distances, or none where nothing repeats. */
  next(count: number): readonly number[] {
    const period = this.#period();
    if (period === undefined) return [];
    const cycle = this.#last.slice(-period);
    return Array.from({ length: count }, (_, at) => cycle[at % period] ?? 0);
  }

  /** The shortest that the last strides repeated whole. */
  #period(): number | undefined {
    const last = this.#last;
    for (let period = 1; period * 2 <= last.length && period <= MOST_PERIOD; period += 1) {
      const from = last.length - period;
      if (last.slice(from).every((stride, at) => stride === last[from + at - period])) return period;
    }
    return undefined;
  }
}

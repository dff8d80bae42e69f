import { PAGE_BYTES, rangeLength, type ByteRange } from "../bytes/range.ts";
import { extentAt, type ExtentTable } from "../formats/extents.ts";
import { LargeUnits } from "./large-units.ts";
import { patternItems, type PatternItems } from "./pattern-items.ts";
import { predictItems } from "./predicted-items.ts";
import { isHeaderRead, nextRow, touchedRows, unitOf } from "./unit-touches.ts";

/** What one read suggests to fetch beside it. */
export interface UnitAdvice {
  /** The units that the read is about, and what continues them without a gap: to be had together with it. */
  readonly units: readonly ByteRange[];
  /** What is likely to be asked for next. */
  readonly early: readonly ByteRange[];
}

export const NO_ADVICE: UnitAdvice = { units: [], early: [] };

/** Larger units are had by windows. */
export const MAX_UNIT_BYTES: number = 8 * 1024 * 1024;
/** The most that one read announces beyond its own units: four parts of the largest size. */
const MAX_EARLY_BYTES = 32 * 1024 * 1024;
/** Announced items whose reading is looked for, and at how many places. */
const MAX_WATCHED = 512;
const MAX_MARKS = 8;

export interface FollowerOptions {
  readonly size: number;
  /** Units as they are, and nothing ahead of them. */
  readonly frugal?: boolean;
}

/**
 * Follows what all readers of a content do with its units, and says what else to fetch; no I/O, no clock. Whatever the table
 * says, one read costs at most its units (8 MiB each) and 32 MiB announced ahead of it.
 */
export class ExtentFollower {
  readonly table: ExtentTable;
  readonly #items: PatternItems;
  readonly #options: FollowerOptions;
  /** By item: 0 unknown, 1 announced, 2 read. */
  readonly #state: Uint8Array;
  /** By item: all of it was asked for. */
  readonly #taken: Uint8Array;
  /** By row: it was read. */
  readonly #read: Uint8Array;
  readonly #partsRead: Uint8Array;
  readonly #large = new LargeUnits(MAX_UNIT_BYTES);
  /** Items that were announced, oldest first. */
  #watched: readonly number[] = [];

  constructor(table: ExtentTable, options: FollowerOptions) {
    this.table = table;
    this.#options = options;
    this.#items = patternItems(table);
    this.#state = new Uint8Array(this.#items.count);
    this.#taken = new Uint8Array(this.#items.count);
    this.#read = new Uint8Array(table.count);
    this.#partsRead = new Uint8Array(this.#items.count);
  }

  onRead(range: ByteRange): UnitAdvice {
    const rows = touchedRows(this.table, range, (row) => this.#state[this.#itemOf(row)] !== 0);
    if (rows.length === 0) return NO_ADVICE;
    if (this.#options.frugal === true) return { units: this.#smallUnits(rows), early: [] };
    const units: ByteRange[] = [];
    const early: ByteRange[] = [];
    const begun: number[] = [];
    for (const row of rows) {
      const item = this.#itemOf(row);
      const isNews = this.#state[item] !== 2;
      this.#state[item] = 2;
      this.#take(row, range, { units, early });
      if (isNews) begun.push(item);
    }
    let room = MAX_EARLY_BYTES;
    for (const item of begun) room = this.#announce(item, { units, early, room });
    this.#watched = this.#watched.filter((item) => this.#state[item] === 1);
    return { units, early };
  }

  /** Places at which a reader that is served elsewhere should be heard of again. */
  marks(): readonly number[] {
    const { starts, ends } = this.#items;
    // A reader that wants an item passes its middle; one that is buffered brushes its ends.
    const middles = this.#watched.map((item) => Math.floor(((starts[item] ?? 0) + (ends[item] ?? 0)) / 2));
    const ofWindows = this.#large.marks();
    // Spread over what is announced, so that more is asked for long before its end.
    const step = Math.max(1, middles.length / (MAX_MARKS - ofWindows.length));
    const spread = middles.filter((_, place) => Math.floor(place / step) !== Math.floor((place - 1) / step));
    return [...ofWindows, ...spread].slice(0, MAX_MARKS);
  }

  #itemOf(row: number): number {
    return this.#items.itemOf[row] ?? -1;
  }

  #itemRange(item: number): ByteRange {
    return { start: this.#items.starts[item] ?? 0, end: this.#items.ends[item] ?? 0 };
  }

  #smallUnits(rows: readonly number[]): readonly ByteRange[] {
    for (const row of rows) this.#state[this.#itemOf(row)] = 2;
    return rows.map((row) => unitOf(this.table, row)).filter((unit) => rangeLength(unit) <= MAX_UNIT_BYTES);
  }

  /** What of its item a read of `row` takes: the row, the item whole, or windows of what is large. */
  #take(row: number, range: ByteRange, into: { readonly units: ByteRange[]; readonly early: ByteRange[] }): void {
    const item = this.#itemOf(row);
    let wanted = unitOf(this.table, row);
    if (this.#items.hasParts[item] === 1) {
      if (this.#read[row] === 0) this.#partsRead[item] = Math.min(2, (this.#partsRead[item] ?? 0) + 1);
      // Who reads headers does not know the index: it walks the chunk from page to page.
      if (isHeaderRead(this.table, row, range)) this.#partsRead[item] = 2;
      this.#read[row] = 1;
      const likeBefore = this.#taken[this.#items.before[item] ?? -1] === 1;
      if ((this.#partsRead[item] ?? 0) > 1 || likeBefore) wanted = this.#itemRange(item);
    }
    const whole = this.#itemRange(item);
    if (wanted.start <= whole.start && wanted.end >= whole.end) this.#taken[item] = 1;
    if (rangeLength(wanted) <= MAX_UNIT_BYTES) return void into.units.push(wanted);
    const { now, ahead } = this.#large.onRead(wanted, range);
    into.units.push(...now);
    into.early.push(...ahead);
  }

  /** Adds what is likely to be read after `item`, as far as there is room; answers what room is left. */
  #announce(
    item: number,
    into: { readonly units: ByteRange[]; readonly early: ByteRange[]; readonly room: number },
  ): number {
    let { room } = into;
    let together = MAX_UNIT_BYTES - rangeLength(this.#itemRange(item));
    let reached = this.#items.ends[item] ?? 0;
    for (const next of predictItems(item, { items: this.#items, state: this.#state })) {
      const range = this.#itemRange(next);
      const bytes = rangeLength(range);
      // Of a chunk whose like was read by pages, nobody knows which page is next.
      const isByParts = this.#items.hasParts[next] === 1 && !this.#isLikeWhole(next, item);
      if (isByParts || bytes > MAX_UNIT_BYTES || bytes > room) continue;
      room -= bytes;
      this.#state[next] = 1;
      this.#taken[next] = 1;
      this.#watched = [...this.#watched, next].slice(-MAX_WATCHED);
      const follows = range.start >= reached && range.start - reached <= PAGE_BYTES && bytes <= together;
      if (follows) {
        together -= bytes;
        reached = range.end;
      }
      (follows ? into.units : into.early).push(range);
    }
    return room;
  }

  #isLikeWhole(next: number, item: number): boolean {
    return [this.#items.before[next] ?? -1, item, item - 1].some((like) => this.#taken[like] === 1);
  }

  /** Where reading ahead from `offset` must end: at once inside a unit, else where the next one begins. */
  limitAt(offset: number): number {
    if (extentAt(this.table, offset) >= 0) return offset;
    return this.table.starts[nextRow(this.table, offset)] ?? this.#options.size;
  }
}

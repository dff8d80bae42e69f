import type { PatternItems } from "./pattern-items.ts";

export interface PatternState {
  readonly items: PatternItems;
  /** By item: 0 unknown, 1 announced, 2 read. */
  readonly state: Uint8Array;
}

type Joins = (left: number, right: number) => boolean;

/** Tiles lie beside each other up to a leader and padding. */
const MAX_GAP_BYTES = 4096;
/** Of a series, beyond what is seen. */
const MAX_AHEAD_ITEMS = 8;
/** Row groups ahead that are so few bytes (in the columns that are read) cost less than the round trips they save. */
const CHEAP_AHEAD_BYTES = 256 * 1024;
const MAX_CHEAP_ITEMS = 64;
/** Runs of one row of tiles, of one row group: what lies farther is no evidence, and costs time. */
const MAX_LOOK_ITEMS = 1024;
/** What is left of a small image is cheaper to have than to ask for. */
const SHORT_REST_BYTES = 512 * 1024;
/** Columns that lie together by chance are two, three, four; a fifth in a row comes from a reader of all. */
const COLUMNS_OF_ALL = 5;
/** After so many there is no doubt: the rest of the row group. */
const READER_OF_ALL = 8;

/**
 * The items that are likely to be read after `item`, whose reading has just begun; none that is announced or read already.
 * - tiles: the next one once two neighbours were read, and rows as long as the row before
 * - all columns of a row group, once five neighbours were read
 * - columns of the next row groups, once three had them; the columns of this one that the two before it had
 */
export function predictItems(item: number, pattern: PatternState): readonly number[] {
  const found = new Set([...rowOfTiles(item, pattern), ...allColumns(item, pattern), ...sameColumns(item, pattern)]);
  return [...found].filter((each) => pattern.state[each] === 0).sort((a, b) => a - b);
}

function rowOfTiles(item: number, pattern: PatternState): readonly number[] {
  const { items } = pattern;
  const joins: Joins = (left, right) => items.before[right] === left && isNext(pattern, left, right);
  const run = runBefore(item, pattern, joins);
  if (run >= 2) {
    const rest = shortRest(item, pattern);
    if (rest !== undefined) return rest;
  }
  // A row of three costs no fourth: its end is near, and a row of two is cheaper guessed at than asked for.
  const guess = run === 2 ? 1 : run > 3 ? Math.max(1, Math.floor(run / 4)) : 0;
  const wanted = run === 1 ? lengthOfRowBefore(item, pattern, joins) - 1 : Math.min(MAX_AHEAD_ITEMS, guess);
  const ahead: number[] = [];
  for (let next = item + 1; next <= item + wanted && joins(next - 1, next); next++) ahead.push(next);
  return ahead;
}

/** The tiles up to the end of a series without gaps, where they are few bytes. */
function shortRest(item: number, pattern: PatternState): readonly number[] | undefined {
  const { items } = pattern;
  const rest: number[] = [];
  let bytes = 0;
  for (let next = items.behind[item] ?? -1; next >= 0; next = items.behind[next] ?? -1) {
    bytes += (items.ends[next] ?? 0) - (items.starts[next] ?? 0);
    if (bytes > SHORT_REST_BYTES || rest.length > MAX_LOOK_ITEMS || !isNext(pattern, next - 1, next)) return undefined;
    rest.push(next);
  }
  return rest;
}

/** How long the row of tiles was that ends nearest before `item`. */
function lengthOfRowBefore(item: number, pattern: PatternState, joins: Joins): number {
  let last = item - 1;
  while (last >= 0 && item - last < MAX_LOOK_ITEMS && pattern.state[last] !== 2) last--;
  return last < 0 || pattern.state[last] !== 2 ? 1 : runBefore(last, pattern, joins);
}

function allColumns(item: number, pattern: PatternState): readonly number[] {
  const { items, state } = pattern;
  const joins: Joins = (left, right) => items.group[left] === items.group[right] && isNext(pattern, left, right);
  const run = runBefore(item, pattern, joins);
  if (run < COLUMNS_OF_ALL) return [];
  let front = item;
  while (front - item < MAX_LOOK_ITEMS && joins(front, front + 1) && state[front + 1] !== 0) front++;
  const lead = front - item;
  if (3 * lead >= run) return [];
  const isKnown = state[items.before[item] ?? -1] === 2;
  const ahead: number[] = [];
  const end = run < READER_OF_ALL ? item + run : Number.POSITIVE_INFINITY;
  for (let next = front + 1; next <= end && ahead.length < MAX_LOOK_ITEMS && joins(next - 1, next); next++) {
    // The row group before was read without it.
    if (isKnown && (state[items.before[next] ?? -1] ?? 0) === 0) break;
    ahead.push(next);
  }
  return ahead;
}

function sameColumns(item: number, pattern: PatternState): readonly number[] {
  const { items, state } = pattern;
  const behind = items.behind[item] ?? -1;
  if (!wasInTwoBefore(item, pattern) || (behind >= 0 && isNext(pattern, item, behind))) return [];
  const { seen, lead, steps } = runOfSeries(item, pattern);
  const columns = groupOf(item, pattern).filter((each) => each === item || wasInTwoBefore(each, pattern));
  const wanted = Math.max(0, Math.max(Math.min(MAX_AHEAD_ITEMS, seen - 2), cheapGroups(columns, pattern)) - lead);
  const ahead = columns.filter((each) => state[each] === 0);
  // A reader that goes backwards has its future behind it.
  const last = wanted > 0 && steps - lead <= MAX_AHEAD_ITEMS ? steps + wanted : 0;
  let heads: readonly number[] = columns;
  for (let step = 0; step < last; step++) {
    heads = heads.flatMap((each) => ((items.behind[each] ?? -1) < 0 ? [] : [items.behind[each] ?? -1]));
    ahead.push(...heads);
  }
  return ahead;
}

/** How many row groups, in these columns alone, are cheap to have. */
function cheapGroups(columns: readonly number[], { items }: PatternState): number {
  const bytes = columns.reduce((sum, each) => sum + (items.ends[each] ?? 0) - (items.starts[each] ?? 0), 0);
  return Math.min(MAX_CHEAP_ITEMS, Math.floor(CHEAP_AHEAD_BYTES / Math.max(1, bytes)));
}

/** Around an item: how many of its series were read, how many are announced behind the last of them, and how far that is. */
function runOfSeries(
  item: number,
  { items, state }: PatternState,
): { readonly seen: number; readonly lead: number; readonly steps: number } {
  let seen = 1;
  for (let each = items.before[item] ?? -1; each >= 0 && state[each] !== 0 && seen < MAX_LOOK_ITEMS;) {
    seen += 1;
    each = items.before[each] ?? -1;
  }
  let lead = 0;
  let steps = 0;
  for (let each = items.behind[item] ?? -1; each >= 0 && state[each] !== 0 && steps < MAX_LOOK_ITEMS;) {
    steps += 1;
    lead = state[each] === 2 ? 0 : lead + 1;
    if (state[each] === 2) seen += 1;
    each = items.behind[each] ?? -1;
  }
  return { seen, lead, steps };
}

function wasInTwoBefore(item: number, { items, state }: PatternState): boolean {
  const one = items.before[item] ?? -1;
  const two = items.before[one] ?? -1;
  return (state[one] ?? 0) !== 0 && (state[two] ?? 0) !== 0;
}

function groupOf(item: number, { items }: PatternState): readonly number[] {
  const own = items.group[item];
  const found = [item];
  for (let each = item - 1; each >= 0 && items.group[each] === own && found.length < MAX_LOOK_ITEMS; each--)
    found.push(each);
  for (let each = item + 1; items.group[each] === own && found.length < 2 * MAX_LOOK_ITEMS; each++) found.push(each);
  return found;
}

function isNext({ items }: PatternState, left: number, right: number): boolean {
  const gap = (items.starts[right] ?? Infinity) - (items.ends[left] ?? -Infinity);
  return gap >= 0 && gap <= MAX_GAP_BYTES;
}

/** Items from `item` on to the left that were read or announced, each the neighbour of the next: at least `item` itself. */
function runBefore(item: number, { state }: PatternState, joins: Joins): number {
  let first = item;
  while (item - first < MAX_LOOK_ITEMS && first > 0 && state[first - 1] !== 0 && joins(first - 1, first)) first--;
  return item - first + 1;
}

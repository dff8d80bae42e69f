import { alignToPages, mergeRanges, PAGE_BYTES, rangeLength, subtractRanges, type ByteRange } from "../bytes/range.ts";
import type { Priority } from "../bytes/source.ts";

export interface WantedRange {
  readonly range: ByteRange;
  readonly priority: Priority;
}

export interface PlanState {
  /** Sorted and disjoint: what is coming already. Never asked for again, and no gap is joined over it. */
  readonly inFlight: readonly ByteRange[];
  /** `CostModel.gapBytes`: 0 joins only what touches. */
  readonly gapBytes: number;
  /** Connections that have nothing to do: a large demand is cut so that they help. */
  readonly idle: number;
  readonly partBytes?: number;
  /** The least that a demand is cut into, so that idle connections help: less while a stream runs. Default 1 MiB. */
  readonly splitBytes?: number;
}

export interface PlannedPart {
  readonly range: ByteRange;
  readonly priority: Priority;
}

export interface FetchPlan {
  /** Disjoint from each other and from what is in flight; sorted by offset. Together with it they cover all that is wanted. */
  readonly parts: readonly PlannedPart[];
  /** For each wanted range, in the order given, what it waits for: indices into `inFlight` and `parts`. */
  readonly waits: readonly { readonly inFlight: readonly number[]; readonly parts: readonly number[] }[];
}

/** Large enough that a request's latency is small beside it, small enough that eight of them fit the memory in flight. */
const MAX_PART_BYTES = 8 * 1024 * 1024;
/** Below this a further connection costs more latency than it saves time at 50 MB/s and 20 ms. */
const MIN_SPLIT_BYTES = 1024 * 1024;

/**
 * Turns wanted ranges into requests. Pieces are joined over a gap when the gap is worth less than a request, and while the
 * joined part stays mostly wanted bytes (`joins`); large pieces are cut so that idle connections work at once.
 */
export function planParts(wanted: readonly WantedRange[], state: PlanState): FetchPlan {
  const urgent = wanted.filter((want) => want.priority !== "prefetch").map((want) => want.range);
  const ahead = wanted.filter((want) => want.priority === "prefetch").map((want) => want.range);
  const demand = mergeRanges(urgent).flatMap((range) => subtractFlights(range, state.inFlight));
  const joined = joinOverGaps(demand, state);
  const early = mergeRanges(ahead).flatMap((range) =>
    subtractFlights(range, state.inFlight).flatMap((rest) => subtractFlights(rest, joined)),
  );
  const metadata = mergeRanges(wanted.filter((want) => want.priority === "metadata").map((want) => want.range));
  const partBytes = state.partBytes ?? MAX_PART_BYTES;
  const demanded = joined.reduce((sum, range) => sum + rangeLength(range), 0);
  const share = Math.max(1, Math.ceil(demanded / Math.max(1, state.idle)));
  const parts = [
    ...joined.flatMap((range) =>
      cutEvenly(range, share, { limit: partBytes, least: state.splitBytes ?? MIN_SPLIT_BYTES }).map((part) => ({
        range: part,
        priority: touches(part, metadata) ? ("metadata" as const) : ("demand" as const),
      })),
    ),
    ...early.flatMap((range) =>
      cutEvenly(range, partBytes, { limit: partBytes, least: MIN_SPLIT_BYTES }).map((part) => ({
        range: part,
        priority: "prefetch" as const,
      })),
    ),
  ].sort((a, b) => a.range.start - b.range.start);
  const places = parts.map((part) => part.range);
  const waits = wanted.map(({ range }) => ({
    inFlight: overlapping(range, state.inFlight),
    parts: overlapping(range, places),
  }));
  return { parts, waits };
}

/** Ranges as the requests that they are worth, while nothing else is under way. */
export function joinedParts(
  ranges: readonly ByteRange[],
  sizes: Pick<PlanState, "gapBytes" | "partBytes" | "splitBytes">,
): readonly ByteRange[] {
  const wanted = ranges.map((range) => ({ range, priority: "demand" as const }));
  return planParts(wanted, { inFlight: [], idle: 1, ...sizes }).parts.map((part) => part.range);
}

/**
 * The requests that these ranges of a blob of `size` bytes become when nothing of them is cached or under way: whole pages,
 * joined and cut as `planParts` does.
 */
export function requestsFor(
  ranges: readonly ByteRange[],
  options: { readonly size: number; readonly gapBytes: number; readonly idle: number },
): readonly ByteRange[] {
  const { size, gapBytes, idle } = options;
  const wanted = ranges.map((range) => ({ range: alignToPages(range, size), priority: "demand" as const }));
  return planParts(wanted, { inFlight: [], gapBytes, idle }).parts.map(({ range }) => range);
}

/**
 * How many bytes that nobody wants a join may carry for one more piece: a quarter of the gap that a request is worth (of
 * a megabyte at most), less six times the piece, so that the narrow columns of a wide table (20 KiB every 140 KiB) become one request, and random
 * reads of 64 KiB stay within a few per cent of their bytes; never under 16 KiB, which is a request's own cost.
 */
function joinCredit(pieceBytes: number, gapBytes: number): number {
  return Math.max(16 * 1024, Math.min(gapBytes, 1024 * 1024) / 4 - 6 * pieceBytes);
}

/** Beyond the credits, a part may be unwanted to this share: large pieces pass over what is small beside them. */
const WASTE_SHARE = 1 / 32;

function joinOverGaps(pieces: readonly ByteRange[], state: PlanState): readonly ByteRange[] {
  const joined: ByteRange[] = [];
  let needed = 0;
  let waste = 0;
  let credit = 0;
  for (const piece of pieces) {
    const last = joined.at(-1);
    const length = rangeLength(piece);
    const gap = last === undefined ? Number.POSITIVE_INFINITY : piece.start - last.end;
    const allowed = credit + joinCredit(length, state.gapBytes) + (needed + length) * WASTE_SHARE;
    const isFree = last !== undefined && !touches({ start: last.end, end: piece.start }, state.inFlight);
    if (last !== undefined && isFree && gap <= state.gapBytes && waste + gap <= allowed) {
      joined[joined.length - 1] = { start: last.start, end: piece.end };
      needed += length;
      waste += gap;
      credit += joinCredit(length, state.gapBytes);
    } else {
      joined.push(piece);
      needed = length;
      waste = 0;
      credit = 0;
    }
  }
  return joined;
}

function subtractFlights(range: ByteRange, taken: readonly ByteRange[]): readonly ByteRange[] {
  const near = overlapping(range, taken).flatMap((index) => taken[index] ?? []);
  return near.length === 0 ? [range] : subtractRanges(range, near);
}

/** Equal pieces of whole pages: at most `limit` bytes, and as near to `share` as pieces of `least` or more allow. */
function cutEvenly(
  range: ByteRange,
  share: number,
  bounds: { readonly limit: number; readonly least: number },
): readonly ByteRange[] {
  const length = rangeLength(range);
  const useful = Math.min(Math.ceil(length / share), Math.floor(length / bounds.least));
  const count = Math.max(1, useful, Math.ceil(length / bounds.limit));
  const even = Math.ceil(length / count / PAGE_BYTES) * PAGE_BYTES;
  const parts: ByteRange[] = [];
  for (let start = range.start; start < range.end; start += even) {
    parts.push({ start, end: Math.min(range.end, start + even) });
  }
  return parts;
}

/** Index of the first of the sorted, disjoint `places` that ends behind the start of `range`. */
function firstOverlap(range: ByteRange, places: readonly ByteRange[]): number {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((places[middle]?.end ?? 0) <= range.start) low = middle + 1;
    else high = middle;
  }
  return low;
}

function touches(range: ByteRange, places: readonly ByteRange[]): boolean {
  return (places[firstOverlap(range, places)]?.start ?? Number.POSITIVE_INFINITY) < range.end;
}

function overlapping(range: ByteRange, places: readonly ByteRange[]): readonly number[] {
  const found: number[] = [];
  if (range.end <= range.start) return found;
  for (let index = firstOverlap(range, places); (places[index]?.start ?? range.end) < range.end; index++)
    found.push(index);
  return found;
}

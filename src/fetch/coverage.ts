import { overlaps, subtractRanges, type ByteRange } from "../bytes/range.ts";
import type { Flight } from "./flight.ts";
import type { PendingRead } from "./pending-read.ts";

/** A part of a read that must be planned. */
export interface Need {
  readonly read: PendingRead;
  readonly range: ByteRange;
  readonly tries: number;
  /** The cache said that it holds this and could not give it: ask the network whatever it says. */
  readonly isForced: boolean;
}

/** Bytes that are coming, and what brings them. */
export interface Cover {
  readonly range: ByteRange;
  readonly flight: Flight;
}

/** What is coming, sorted and disjoint: requests for ranges first, whole answers for what is left. */
export function coverageOf(all: readonly Flight[]): readonly Cover[] {
  const flights = all.filter((flight) => !flight.controller.signal.aborted && flight.remaining > 0);
  const left = (flight: Flight): ByteRange => ({ start: flight.received, end: flight.range.end });
  const coverage = flights.filter((flight) => !flight.isWhole).map((flight) => ({ range: left(flight), flight }));
  for (const flight of flights) {
    if (!flight.isWhole) continue;
    const taken = coverage.map((cover) => cover.range);
    for (const range of subtractRanges(left(flight), taken)) coverage.push({ range, flight });
  }
  return coverage.sort((a, b) => a.range.start - b.range.start);
}

/** Makes a read wait for what `flight` brings of it, inside both ranges; nothing when that is nothing. */
export function waitFor(flight: Flight, need: Need, within: readonly [ByteRange, ByteRange]): void {
  const { read, range, tries } = need;
  const start = Math.max(range.start, within[0].start, within[1].start);
  const end = Math.min(range.end, within[0].end, within[1].end);
  if (overlaps({ start, end }, range)) flight.attach(read, { start, end }, tries);
}

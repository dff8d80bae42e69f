import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { uint64, viewOf } from "../binary.ts";
import type { FormatOptions } from "../format.ts";
import { gribStart, startsWith } from "../magic.ts";
import { piecesOf, type Pieces } from "../pieces.ts";
import { parseSections, type GribField } from "./sections.ts";

/** WMO Manual on Codes, FM 92 GRIB: section 0, and the four sevens that end a message. */
const INDICATOR_BYTES = 16;
const END_BYTES = 4;
const EDITION_1_INDICATOR_BYTES = 8;

const FIRST_READ_BYTES = 64 * 1024;
/** Sections 1 to 6 are mostly shorter; larger ones cost one more read. */
const LATER_READ_BYTES = 8 * 1024;
const MAX_SECTION_BYTES = 1024 * 1024;
const MAX_MESSAGES = 10_000;

export interface GribMessage {
  readonly start: number;
  readonly end: number;
  readonly edition: number;
  /** Of a message of edition 2, as far as they were read: a message may hold several. */
  readonly fields: readonly GribField[];
}

export interface GribWalk {
  readonly messages: readonly GribMessage[];
  /** Why the walk ended before the file did. */
  readonly stop: "end" | "requests" | "messages" | "other data" | "cut short";
}

/** Length and edition by the indicator section; undefined when there is none. */
async function indicatorAt(
  pieces: Pieces,
  { start, size }: { start: number; size: number },
): Promise<{ bytes: number; edition: number } | undefined> {
  if (start + EDITION_1_INDICATOR_BYTES > size) return undefined;
  const bytes = await pieces.read({ start, end: Math.min(size, start + INDICATOR_BYTES) });
  if (!startsWith(bytes, "GRIB")) return undefined;
  const view = viewOf(bytes);
  const edition = bytes[7] ?? 0;
  // Edition 1 has 24 bits for its length, and nothing else here.
  if (edition === 1) return { bytes: view.getUint32(4, false) >>> 8, edition };
  if (edition !== 2 || bytes.length < INDICATOR_BYTES) return undefined;
  return { bytes: uint64(view, 8, false), edition };
}

function brokenStart(what: string): RiffleError {
  return new RiffleError("malformed", `the GRIB file is broken or cut short: its first message ${what}`);
}

/**
 * Goes from message to message by their lengths: GRIB has no index. At most `maxRequests` requests, each depending on the
 * one before; rejects with `malformed` when not even the first message is sound.
 */
export async function walkMessages(
  source: RangeSource,
  maxRequests: number,
  options: FormatOptions = {},
): Promise<GribWalk> {
  const { size } = source;
  const pieces = piecesOf(source, {
    ...options,
    what: "GRIB file",
    firstBytes: FIRST_READ_BYTES,
    laterBytes: LATER_READ_BYTES,
    maxBytes: MAX_SECTION_BYTES,
  });
  let start = gribStart(await pieces.read({ start: 0, end: Math.min(size, FIRST_READ_BYTES) }));
  if (start < 0) throw new RiffleError("malformed", "not a GRIB file: no message begins in its first bytes");
  const isAffordable = (from: number, to: number): boolean =>
    pieces.requests < maxRequests || pieces.has({ start: from, end: Math.min(size, to) });
  const messages: GribMessage[] = [];
  while (start < size) {
    if (messages.length === MAX_MESSAGES) return { messages, stop: "messages" };
    if (!isAffordable(start, start + INDICATOR_BYTES)) return { messages, stop: "requests" };
    const indicator = await indicatorAt(pieces, { start, size });
    const end = start + (indicator?.bytes ?? 0);
    const isSound = end - start >= EDITION_1_INDICATOR_BYTES + END_BYTES && end <= size;
    if (indicator === undefined || !isSound) {
      if (messages.length === 0)
        throw brokenStart(indicator === undefined ? "does not begin" : `would end at byte ${end}`);
      return { messages, stop: indicator === undefined ? "other data" : "cut short" };
    }
    const fields = indicator.edition === 2 ? await parseSections(pieces, { start, end, isAffordable }) : [];
    messages.push({ start, end, edition: indicator.edition, fields });
    start = end;
  }
  return { messages, stop: "end" };
}

import type { RangeSource, ReadOptions } from "../bytes/source.ts";
import { FORMATS, type Format, type FormatHint, type Probe } from "./formats.ts";

/** What an index mostly fits in; later reads of it are then answered by the cache. */
export const PROBE_BYTES: number = 64 * 1024;

/** Formats that name or media type point at, media type first. No I/O. */
export function likelyFormats(hint: FormatHint): readonly Format[] {
  const name = hint.name?.toLowerCase() ?? "";
  const byType = FORMATS.filter((format) => format.mediaTypes.includes(hint.mediaType ?? ""));
  const byName = FORMATS.filter((format) => format.extensions.some((extension) => name.endsWith(extension)));
  return [...new Set([...byType, ...byName])];
}

/**
 * What the content is; undefined when nothing fits. Magic decides; a hint only says which end to read first (one request
 * when it is right) and counts alone for formats without magic. Rejects only with what the source rejects with.
 */
export async function detectFormat(
  source: RangeSource,
  hint: FormatHint = {},
  options: ReadOptions = {},
): Promise<Format | undefined> {
  const likely = likelyFormats(hint);
  const head = { start: 0, end: Math.min(source.size, PROBE_BYTES) };
  const tail = { start: Math.max(0, source.size - PROBE_BYTES), end: source.size };
  const how = { priority: "metadata" as const, ...options };
  const [first = new Uint8Array(), last = new Uint8Array()] = await source.readMany([head, tail], how);
  const probe: Probe = { head: first, tail: last, size: source.size };
  const proven = [...likely, ...FORMATS].find((format) => format.matches?.(probe) === true);
  return proven ?? likely.find((format) => format.matches === undefined);
}

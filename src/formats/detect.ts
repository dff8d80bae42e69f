import type { RangeSource, ReadOptions } from "../bytes/source.ts";
import { TAIL_BYTES } from "./first-bytes.ts";
import type { FileSet } from "./format.ts";
import { FORMATS, type Format, type FormatHint } from "./formats.ts";
import { isZarrDocument, type Probe } from "./magic.ts";

/** What is read of an end of which nothing is known, the larger of what readers begin with. A file of this size is read whole. */
export const PROBE_BYTES: number = TAIL_BYTES;

const LONGEST_TYPE = 255;

/** Formats that name or media type point at, media type first. No I/O. */
export function likelyFormats(hint: FormatHint): readonly Format[] {
  const name = hint.name?.toLowerCase() ?? "";
  const type = hint.mediaType?.slice(0, LONGEST_TYPE).split(";")[0]?.trim().toLowerCase() ?? "";
  const byType = FORMATS.filter((format) => format.mediaTypes.includes(type));
  const byName = FORMATS.filter((format) => format.extensions.some((extension) => name.endsWith(extension)));
  return [...new Set([...byType, ...byName])];
}

type End = Format["index"];

/** What was read of a file so far. */
interface Sight {
  readonly probe: Probe;
  readonly ends: ReadonlySet<End>;
}

async function look(
  source: RangeSource,
  before: Sight,
  options: ReadOptions & { readonly wanted: readonly End[]; readonly firstBytes?: number | undefined },
): Promise<Sight> {
  const { wanted, firstBytes = PROBE_BYTES, ...how } = options;
  const { size } = source;
  const rangeOf = {
    head: { start: 0, end: size <= PROBE_BYTES ? size : firstBytes },
    tail: { start: Math.max(0, size - firstBytes), end: size },
  };
  const ranges = wanted.map((end) => rangeOf[end]);
  const found = await source.readMany(ranges, { priority: "metadata", ...how });
  const bytesOf = (end: End): Uint8Array => found[wanted.indexOf(end)] ?? before.probe[end];
  if (size <= PROBE_BYTES) {
    const all = found[0] ?? new Uint8Array();
    return { probe: { head: all, tail: all, size }, ends: new Set(["head", "tail"]) };
  }
  return { probe: { head: bytesOf("head"), tail: bytesOf("tail"), size }, ends: new Set([...before.ends, ...wanted]) };
}

/** A format counts only once the end was read where its index lies. */
function verdict({ probe, ends }: Sight, likely: readonly Format[]): Format | undefined {
  const proven = FORMATS.find((format) => ends.has(format.index) && format.matches?.(probe) === true);
  if (proven !== undefined && proven.name !== "zip") return proven;
  // Text, and a zip too long for its members to be seen, are what the hint says of them.
  return likely.find((format) => ends.has(format.index) && format.allows?.(probe) === true) ?? proven;
}

/**
 * What the content is; undefined when nothing fits. Magic decides; a hint only says which end to read first (one request of
 * 64 KiB, or of what the format's reader begins with, when it is right; else both ends, in one round trip more) and counts alone,
 * where the content does not contradict it, for formats without magic. Rejects only with what the source rejects with.
 */
export async function detectFormat(
  source: RangeSource,
  hint: FormatHint = {},
  options: ReadOptions = {},
): Promise<Format | undefined> {
  const likely = likelyFormats(hint);
  const nothing = {
    probe: { head: new Uint8Array(), tail: new Uint8Array(), size: source.size },
    ends: new Set<End>(),
  };
  const first = source.size <= PROBE_BYTES ? "head" : likely[0]?.index;
  const wanted: readonly End[] = first === undefined ? ["head", "tail"] : [first];
  const sight = await look(source, nothing, { ...options, wanted, firstBytes: likely[0]?.firstBytes });
  const early = verdict(sight, likely);
  const missing = (["head", "tail"] as const).filter((end) => !sight.ends.has(end));
  if (early !== undefined || missing.length === 0) return early;
  return verdict(await look(source, sight, { ...options, wanted: missing }), likely);
}

/**
 * What a directory is, by the names in it; undefined when it is only a directory. A Zarr store has its documents at its top,
 * or holds nothing but directories that do. No I/O.
 */
export function detectDirectory(files: FileSet): Format | undefined {
  const members = new Set<string>();
  const stores = new Set<string>();
  for (const path of files.paths) {
    const [first = "", second, ...deeper] = path.split("/");
    if (second === undefined && isZarrDocument(path)) return zarrFormat();
    members.add(second === undefined ? path : `${first}/`);
    if (second !== undefined && deeper.length === 0 && isZarrDocument(path)) stores.add(`${first}/`);
  }
  return stores.size > 0 && stores.size === members.size ? zarrFormat() : undefined;
}

function zarrFormat(): Format | undefined {
  return FORMATS.find(({ name }) => name === "zarr");
}

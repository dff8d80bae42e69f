import type { ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import type { Pieces } from "../pieces.ts";

/** ISO/IEC 15444-1, annex A: the main header of a codestream, and the tile parts behind it. */
const SOC = 0xff4f;
const SIZ = 0xff51;
const COD = 0xff52;
const TLM = 0xff55;
const SOT = 0xff90;
const SOT_BYTES = 12;
const MIN_SIZ_BYTES = 38;
const MAX_MARKERS = 10_000;
/** ISO/IEC 15444-1, table A.9. */
const MAX_COMPONENTS = 16_384;
const PROGRESSIONS = ["LRCP", "RLCP", "RPCL", "PCRL", "CPRL"];

export interface Component {
  readonly bits: number;
  readonly isSigned: boolean;
  /** Of the reference grid, horizontally and vertically. */
  readonly step: readonly [x: number, y: number];
}

export interface Codestream {
  readonly width: number;
  readonly height: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly tiles: number;
  readonly components: readonly Component[];
  /** Of the first COD marker; undefined in a broken header that lacks it. */
  readonly coding:
    | { readonly progression: string; readonly layers: number; readonly levels: number; readonly isLossless: boolean }
    | undefined;
  /** By the TLM markers, where there are any. */
  readonly lengths: readonly number[] | undefined;
  readonly firstTilePart: number;
}

function malformed(what: string): RiffleError {
  return new RiffleError("malformed", `the JPEG 2000 codestream is broken: ${what}`);
}

function parseSize(view: DataView): Omit<Codestream, "coding" | "lengths" | "firstTilePart"> {
  const [right = 0, bottom = 0, left = 0, top = 0, tileWidth = 0, tileHeight = 0, tileLeft = 0, tileTop = 0] =
    Array.from({ length: 8 }, (_, at) => view.getUint32(4 + at * 4, false));
  const count = view.getUint16(36, false);
  const isSound = right > left && bottom > top && tileWidth > 0 && tileHeight > 0 && tileLeft <= left && tileTop <= top;
  if (!isSound)
    throw malformed(`an image of ${right - left} x ${bottom - top} pixels in tiles of ${tileWidth} x ${tileHeight}`);
  if (count === 0 || count > MAX_COMPONENTS || view.byteLength < MIN_SIZ_BYTES + count * 3)
    throw malformed(`${count} components`);
  const components = Array.from({ length: count }, (_, at): Component => {
    const depth = view.getUint8(MIN_SIZ_BYTES + at * 3);
    const step = [view.getUint8(MIN_SIZ_BYTES + 1 + at * 3), view.getUint8(MIN_SIZ_BYTES + 2 + at * 3)] as const;
    return { bits: (depth & 0x7f) + 1, isSigned: (depth & 0x80) !== 0, step };
  });
  const tiles = Math.ceil((right - tileLeft) / tileWidth) * Math.ceil((bottom - tileTop) / tileHeight);
  return { width: right - left, height: bottom - top, tileWidth, tileHeight, tiles, components };
}

function parseCoding(view: DataView): Codestream["coding"] {
  if (view.byteLength < 12) throw malformed("its coding style is cut short");
  const progression = view.getUint8(3);
  return {
    progression: PROGRESSIONS[progression] ?? `number ${progression}`,
    layers: view.getUint16(4, false),
    levels: view.getUint8(7),
    isLossless: view.getUint8(11) === 1,
  };
}

/** Lengths of tile parts in one TLM marker: entries of a tile number of 0, 1 or 2 bytes and a length of 2 or 4. */
function parseLengths(view: DataView): readonly number[] {
  if (view.byteLength < 4) throw malformed("a table of tile lengths is cut short");
  const style = view.getUint8(3);
  const skip = (style >> 4) & 3;
  const isLong = (style & 0x40) !== 0;
  if (skip === 3) throw malformed("a table of tile lengths of an unknown kind");
  const width = skip + (isLong ? 4 : 2);
  return Array.from({ length: Math.floor((view.byteLength - 4) / width) }, (_, row) => {
    const at = 4 + row * width + skip;
    return isLong ? view.getUint32(at, false) : view.getUint16(at, false);
  });
}

/** The main header: up to the first tile part. Throws `malformed`. */
export async function readCodestream(pieces: Pieces, { start, end }: ByteRange): Promise<Codestream> {
  const marker = async (at: number): Promise<{ code: number; length: number }> => {
    if (at + 4 > end) throw malformed("it ends in its header");
    const view = viewOf(await pieces.read({ start: at, end: at + 4 }));
    return { code: view.getUint16(0, false), length: view.getUint16(2, false) };
  };
  if ((await marker(start)).code !== SOC) throw malformed("it does not begin with its marker");
  let size: ReturnType<typeof parseSize> | undefined;
  let coding: Codestream["coding"];
  let lengths: number[] | undefined;
  let at = start + 2;
  for (let count = 0; count < MAX_MARKERS; count += 1) {
    const { code, length } = await marker(at);
    if (code === SOT) {
      if (size === undefined) throw malformed("it does not say how large it is");
      return { ...size, coding, lengths, firstTilePart: at };
    }
    const from = at + 2;
    if (code < 0xff01 || length < 2 || from + length > end)
      throw malformed(`a marker ${code.toString(16)} of ${length} bytes`);
    if (code === SIZ || code === COD || code === TLM) {
      const view = viewOf(await pieces.read({ start: from, end: from + length }));
      if (code === SIZ && length < MIN_SIZ_BYTES) throw malformed("its size is cut short");
      if (code === SIZ) size = parseSize(view);
      else if (code === COD) coding ??= parseCoding(view);
      else (lengths ??= []).push(...parseLengths(view));
    }
    at = from + length;
  }
  throw malformed("its header does not end");
}

export interface TileParts {
  readonly parts: readonly (ByteRange & { readonly tile: number })[];
  /** Whether these are all. */
  readonly isComplete: boolean;
}

/** By the table of lengths, without any request. Tile numbers are not needed to read, and not told. */
export function partsByTable({ firstTilePart, lengths }: Codestream, end: number): TileParts | undefined {
  if (lengths === undefined) return undefined;
  let at = firstTilePart;
  const parts = lengths.map((length) => {
    const start = at;
    at += length;
    return { start, end: Math.min(end, at), tile: -1 };
  });
  return { parts, isComplete: at <= end };
}

/** From tile part to tile part, each by the length in the one before: at most `maxRequests` requests. */
export async function walkParts(
  pieces: Pieces,
  { firstTilePart }: Codestream,
  { end, maxRequests }: { end: number; maxRequests: number },
): Promise<TileParts> {
  const parts: (ByteRange & { readonly tile: number })[] = [];
  let at = firstTilePart;
  while (at + SOT_BYTES <= end) {
    const range = { start: at, end: at + SOT_BYTES };
    if (pieces.requests >= maxRequests && !pieces.has(range)) return { parts, isComplete: false };
    const view = viewOf(await pieces.read(range));
    if (view.getUint16(0, false) !== SOT) break;
    const length = view.getUint32(6, false);
    // 0: up to the end of the codestream.
    const next = length === 0 ? end : at + length;
    if (length !== 0 && length < SOT_BYTES + 2) throw malformed(`a tile part of ${length} bytes`);
    parts.push({ start: at, end: Math.min(end, next), tile: view.getUint16(4, false) });
    at = next;
  }
  return { parts, isComplete: true };
}

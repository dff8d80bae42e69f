import type { ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import { latin1, uint64, viewOf } from "../binary.ts";
import { startsWith } from "../magic.ts";
import type { Pieces } from "../pieces.ts";

/** ISO/IEC 15444-1, annex I: the file format around a codestream. */
const BOX_BYTES = 8;
const WIDE_BOX_BYTES = 16;
const MAX_BOXES = 1000;
/** Boxes in front of the codestream that lie apart (metadata, thumbnails) cost a request each. */
const MAX_REQUESTS = 8;
const MAX_HEADER_BOX_BYTES = 64 * 1024;

/** GeoJP2: a uuid box that holds a GeoTIFF without pixels. */
const GEO_UUID = "b14bf8bd083d4b43a5ae8cd7d5a6ce03";

/** Colour space by number (annex I.5.3.3). */
const COLOURS: Readonly<Record<number, string>> = { 16: "sRGB", 17: "gray", 18: "sYCC" };

export interface Jp2File {
  /** Where the codestream lies; undefined where it was not found within the budget. */
  readonly codestream: ByteRange | undefined;
  readonly brand: string | undefined;
  readonly colour: string | undefined;
  /** `GeoJP2` or `GML`: how pixels are tied to the ground. */
  readonly georeference: string | undefined;
}

interface Box {
  readonly type: string;
  readonly payload: ByteRange;
  readonly end: number;
}

async function boxAt(pieces: Pieces, { start, end }: ByteRange): Promise<Box> {
  const bytes = await pieces.read({ start, end: Math.min(end, start + WIDE_BOX_BYTES) });
  if (bytes.length < BOX_BYTES)
    throw new RiffleError("malformed", `the JPEG 2000 file is broken: a box at byte ${start} is cut short`);
  const view = viewOf(bytes);
  const short = view.getUint32(0, false);
  const isWide = short === 1 && bytes.length === WIDE_BOX_BYTES;
  // 0: to the end of the file.
  const length = short === 0 ? end - start : isWide ? uint64(view, 8, false) : short;
  const head = isWide ? WIDE_BOX_BYTES : BOX_BYTES;
  if (length < head) throw new RiffleError("malformed", `the JPEG 2000 file is broken: a box of ${length} bytes`);
  return {
    type: latin1(bytes, 4, 8),
    payload: { start: start + head, end: Math.min(end, start + length) },
    end: start + length,
  };
}

function colourOf(header: Uint8Array): string | undefined {
  const at = latin1(header).indexOf("colr");
  // Method 1 is an enumerated colour space, 2 a profile.
  if (at < 0 || at + 11 > header.length) return undefined;
  if (header[at + 4] !== 1) return "ICC profile";
  const number = viewOf(header).getUint32(at + 7, false);
  return COLOURS[number] ?? `colour space ${number}`;
}

/** Goes through the boxes to the codestream. A bare codestream is one as a whole. Throws `malformed`. */
export async function findCodestream(pieces: Pieces, size: number): Promise<Jp2File> {
  const magic = await pieces.read({ start: 0, end: Math.min(size, 12) });
  const found: { brand?: string; colour?: string | undefined; georeference?: string } = {};
  const result = (codestream: ByteRange | undefined): Jp2File => ({
    codestream,
    brand: found.brand,
    colour: found.colour,
    georeference: found.georeference,
  });
  if (startsWith(magic, "\xff\x4f\xff\x51")) return result({ start: 0, end: size });
  if (!startsWith(magic, "\0\0\0\x0cjP  "))
    throw new RiffleError("malformed", "not a JPEG 2000 file: it does not begin with its magic");
  let at = 0;
  for (let count = 0; count < MAX_BOXES && at < size; count += 1) {
    const head = { start: at, end: Math.min(size, at + WIDE_BOX_BYTES) };
    if (pieces.requests >= MAX_REQUESTS && !pieces.has(head)) return result(undefined);
    const { type, payload, end } = await boxAt(pieces, { start: at, end: size });
    if (type === "jp2c") return result(payload);
    const body = { start: payload.start, end: Math.min(payload.end, payload.start + MAX_HEADER_BOX_BYTES) };
    if (type === "ftyp" && body.end - body.start >= 4)
      found.brand = latin1(await pieces.read({ ...body, end: body.start + 4 })).trim();
    else if (type === "jp2h") found.colour = colourOf(await pieces.read(body));
    else if (type === "asoc") found.georeference ??= "GML";
    else if (type === "uuid" && body.end - body.start >= 16) {
      const uuid = await pieces.read({ ...body, end: body.start + 16 });
      if (Buffer.from(uuid).toString("hex") === GEO_UUID) found.georeference = "GeoJP2";
    }
    at = end;
  }
  throw new RiffleError("malformed", "the JPEG 2000 file is cut short: it has no codestream");
}

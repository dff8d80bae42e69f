import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { latin1, uint64, viewOf } from "../binary.ts";
import type { FormatOptions } from "../format.ts";
import { startsWith } from "../magic.ts";
import { piecesOf, type Pieces } from "../pieces.ts";

/** ASPRS LAS specification 1.4 R15, section 2.4; older versions have shorter headers. */
const OLDEST_HEADER_BYTES = 227;
const FULL_HEADER_BYTES = 375;
const RECORD_HEADER_BYTES = 54;

const FIRST_READ_BYTES = 64 * 1024;
const MAX_RECORD_BYTES = 64 * 1024;
/** Records before the points are a few; each that lies beyond what was read costs a request. */
const MAX_RECORDS = 1000;
const MAX_REQUESTS = 4;

export interface LasHeader {
  readonly version: string;
  readonly system: string;
  readonly software: string;
  readonly day: number;
  readonly year: number;
  readonly pointFormat: number;
  readonly isCompressed: boolean;
  readonly pointBytes: number;
  readonly points: number;
  readonly pointsStart: number;
  readonly scale: readonly number[];
  readonly offset: readonly number[];
  readonly min: readonly number[];
  readonly max: readonly number[];
  readonly records: readonly LasRecord[];
  /** Of how many; more than `records` where the reading was bounded. */
  readonly recordCount: number;
}

/** A variable length record: `payload` is where its bytes lie. */
export interface LasRecord {
  readonly user: string;
  readonly id: number;
  readonly payload: ByteRange;
}

export interface LasFile {
  readonly header: LasHeader;
  readonly pieces: Pieces;
}

function malformed(what: string): RiffleError {
  return new RiffleError("malformed", `the LAS file is broken: ${what}`);
}

function text(bytes: Uint8Array, start: number, length: number): string {
  return latin1(bytes, start, start + length)
    .replace(/\0.*$/s, "")
    .trim();
}

async function readRecords(
  pieces: Pieces,
  { start, count, end }: { start: number; count: number; end: number },
): Promise<readonly LasRecord[]> {
  const records: LasRecord[] = [];
  let at = start;
  while (records.length < Math.min(count, MAX_RECORDS) && at + RECORD_HEADER_BYTES <= end) {
    const range = { start: at, end: at + RECORD_HEADER_BYTES };
    if (!pieces.has(range) && pieces.requests >= MAX_REQUESTS) break;
    const bytes = await pieces.read(range);
    const view = viewOf(bytes);
    const payload = { start: range.end, end: range.end + view.getUint16(20, true) };
    if (payload.end > end) throw malformed(`a record of ${payload.end - payload.start} bytes reaches into the points`);
    records.push({ user: text(bytes, 2, 16), id: view.getUint16(18, true), payload });
    at = payload.end;
  }
  return records;
}

/** All but the records. Throws `malformed`, or `unsupported` for versions to come. */
function parseHeader(bytes: Uint8Array, size: number): Omit<LasHeader, "records"> & { readonly headerBytes: number } {
  if (!startsWith(bytes, "LASF"))
    throw new RiffleError("malformed", "not a LAS file: it does not begin with its magic");
  if (bytes.length < OLDEST_HEADER_BYTES) throw malformed("its header is cut short");
  const view = viewOf(bytes);
  const [major, minor] = [view.getUint8(24), view.getUint8(25)];
  if (major !== 1 || minor > 4) {
    throw new RiffleError("unsupported", `the LAS file is of version ${major}.${minor}; riffle knows 1.0 to 1.4`);
  }
  const headerBytes = view.getUint16(94, true);
  const pointsStart = view.getUint32(96, true);
  const isWide = minor === 4 && headerBytes >= FULL_HEADER_BYTES && bytes.length >= FULL_HEADER_BYTES;
  if (headerBytes < OLDEST_HEADER_BYTES || headerBytes > pointsStart || pointsStart > size) {
    throw malformed(`a header of ${headerBytes} bytes, points from byte ${pointsStart}`);
  }
  const triple = (at: number, step = 8): readonly number[] =>
    [0, 1, 2].map((axis) => view.getFloat64(at + axis * step, true));
  const format = view.getUint8(104);
  return {
    headerBytes,
    version: `${major}.${minor}`,
    system: text(bytes, 26, 32),
    software: text(bytes, 58, 32),
    day: view.getUint16(90, true),
    year: view.getUint16(92, true),
    // LAZ marks compressed points by the two highest bits.
    pointFormat: format & 0x3f,
    isCompressed: (format & 0xc0) !== 0,
    pointBytes: view.getUint16(105, true),
    points: isWide ? uint64(view, 247, true) : view.getUint32(107, true),
    pointsStart,
    scale: triple(131),
    offset: triple(155),
    max: triple(179, 16),
    min: triple(187, 16),
    recordCount: view.getUint32(100, true),
  };
}

/** The public header and the records behind it, in one request of 64 KiB for most files. */
export async function readLasHeader(source: RangeSource, options: FormatOptions = {}): Promise<LasFile> {
  const pieces = piecesOf(source, {
    ...options,
    what: "LAS file",
    firstBytes: FIRST_READ_BYTES,
    laterBytes: FIRST_READ_BYTES,
    maxBytes: MAX_RECORD_BYTES,
  });
  const bytes = await pieces.read({ start: 0, end: Math.min(source.size, FULL_HEADER_BYTES) });
  const { headerBytes, ...header } = parseHeader(bytes, source.size);
  const bounds = { start: headerBytes, count: header.recordCount, end: header.pointsStart };
  return { header: { ...header, records: await readRecords(pieces, bounds) }, pieces };
}

import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { uint64, viewOf } from "../binary.ts";

/** APPNOTE.TXT 4.3.16, 4.3.15 and 4.3.14: the end record, and in front of it the locator and record of zip64. */
const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const LOCATOR_SIGNATURE = 0x07064b50;
const LOCATOR_BYTES = 20;
const END64_SIGNATURE = 0x06064b50;
const END64_BYTES = 56;
const MAX_COMMENT_BYTES = 0xffff;

/** One read that mostly holds the directory too; what detection reads, so that it is there already. */
const FIRST_READ_BYTES = 64 * 1024;

/** Where the end record says that the directory lies. Offsets count from the archive's own start, which may lie behind 0. */
export interface EndRecord {
  readonly directoryOffset: number;
  readonly directoryBytes: number;
  /** The number of members; modulo 65,536 where there is no zip64 record. */
  readonly count: number;
  readonly isZip64: boolean;
  /** Where the directory must have ended by: the first of the end records. */
  readonly start: number;
  readonly commentBytes: number;
}

/** The end of the file from `start` on, as read to find the record. */
export interface Tail {
  readonly start: number;
  readonly bytes: Uint8Array;
}

function noZip(reason: string): RiffleError {
  return new RiffleError("malformed", `not a zip archive, or cut short: ${reason}`);
}

/**
 * The last end record whose comment reaches the end of the file: one that is hidden in a comment does not. Only where there
 * is none, bytes after the archive are borne. Two that reach it are two archives in one: refused.
 */
function findEnd(bytes: Uint8Array): number | undefined {
  const view = viewOf(bytes);
  const exact: number[] = [];
  let loose: number | undefined;
  for (let at = bytes.length - END_BYTES; at >= 0; at -= 1) {
    if (view.getUint32(at, true) !== END_SIGNATURE) continue;
    const end = at + END_BYTES + view.getUint16(at + 20, true);
    if (end === bytes.length) exact.push(at);
    else if (end < bytes.length) loose ??= at;
  }
  if (exact.length > 1) throw new RiffleError("malformed", "the zip archive has two end records: which one counts?");
  return exact[0] ?? loose;
}

function parseEnd64(view: DataView, at: number): Omit<EndRecord, "start" | "commentBytes"> {
  return {
    directoryOffset: uint64(view, at + 48, true),
    directoryBytes: uint64(view, at + 40, true),
    count: uint64(view, at + 32, true),
    isZip64: true,
  };
}

/** The zip64 record, which lies where the locator says, or right before the locator where something precedes the archive. */
async function readEnd64(
  source: RangeSource,
  { tail, locator, options }: { tail: Tail; locator: number; options: ReadOptions },
): Promise<{ record: Omit<EndRecord, "start" | "commentBytes">; start: number }> {
  const said = uint64(viewOf(tail.bytes), locator - tail.start + 8, true);
  for (const start of new Set([said, locator - END64_BYTES])) {
    if (start < 0 || start + END64_BYTES > locator) continue;
    const inTail = start >= tail.start;
    const bytes = inTail
      ? tail.bytes.subarray(start - tail.start, start - tail.start + END64_BYTES)
      : await source.read({ start, end: start + END64_BYTES }, options);
    const view = viewOf(bytes);
    if (view.getUint32(0, true) === END64_SIGNATURE) return { record: parseEnd64(view, 0), start };
  }
  throw noZip("its zip64 end record is not where the locator says");
}

/** Finds the end record in one read, two where the comment is very long. Throws `malformed`, or `unsupported` for parts. */
export async function readEndRecord(
  source: RangeSource,
  options: ReadOptions,
): Promise<{ end: EndRecord; tail: Tail }> {
  const { size } = source;
  let start = Math.max(0, size - FIRST_READ_BYTES);
  let bytes = await source.read({ start, end: size }, options);
  let at = findEnd(bytes);
  if (at === undefined && start > 0) {
    // The directory lies in front of it: mostly it comes along.
    const farther = Math.max(0, size - END_BYTES - MAX_COMMENT_BYTES - FIRST_READ_BYTES);
    bytes = Buffer.concat([await source.read({ start: farther, end: start }, options), bytes]);
    start = farther;
    at = findEnd(bytes);
  }
  if (at === undefined) throw noZip("there is no end record");
  const view = viewOf(bytes);
  const tail = { start, bytes };
  const position = start + at;
  const commentBytes = view.getUint16(at + 20, true);
  const plain = {
    directoryOffset: view.getUint32(at + 16, true),
    directoryBytes: view.getUint32(at + 12, true),
    count: view.getUint16(at + 10, true),
    isZip64: false,
  };
  const hasLocator = at >= LOCATOR_BYTES && view.getUint32(at - LOCATOR_BYTES, true) === LOCATOR_SIGNATURE;
  const needs64 = plain.count === 0xffff || [plain.directoryBytes, plain.directoryOffset].includes(0xffffffff);
  if (hasLocator && needs64) {
    const found = await readEnd64(source, { tail, locator: position - LOCATOR_BYTES, options });
    return { end: { ...found.record, start: found.start, commentBytes }, tail };
  }
  const disks = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
  if (disks.some((disk) => disk !== 0)) {
    throw new RiffleError("unsupported", "the zip archive is one part of several, which riffle does not read");
  }
  return { end: { ...plain, start: position, commentBytes }, tail };
}

import type { RangeSource } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import { uint64, viewOf } from "../binary.ts";
import type { FormatOptions } from "../format.ts";
import { readEndRecord, type EndRecord, type Tail } from "./end-record.ts";
import { memberName } from "./names.ts";

/** One member, as the central directory has it: that, and never a local header, is the truth. */
export interface ZipMember {
  /** As stored: `/` at the end of a directory; may hold `..`, NUL or nothing at all. */
  readonly path: string;
  /** Of the content, as declared: never allocate by it. */
  readonly size: number;
  readonly compressedBytes: number;
  /** 0 is stored, 8 deflated; APPNOTE.TXT 4.4.5 has the others. */
  readonly method: number;
  readonly crc32: number;
  /** Of the local header, in the file; may lie behind its end. */
  readonly headerOffset: number;
  readonly isEncrypted: boolean;
  /** `st_mode`, where a Unix system wrote the archive. */
  readonly mode: number | undefined;
}

export interface ZipDirectory {
  /** In the order of the directory; names may repeat. */
  readonly members: readonly ZipMember[];
  /** The directory itself with the end records, in the file. */
  readonly start: number;
  readonly isZip64: boolean;
  readonly commentBytes: number;
}

const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;
const ZIP64_FIELD = 0x0001;
const UNICODE_PATH_FIELD = 0x7075;
const FLAG_ENCRYPTED = 1;
const FLAG_UTF8 = 0x800;
const MADE_BY_UNIX = 3;

/** A member takes some 300 bytes of memory. */
const MAX_MEMBERS = 1_000_000;
const MAX_DIRECTORY_BYTES = 256 * 1024 * 1024;

/** Extra fields by id, in their order. Throws `malformed` where one is longer than the space there is. */
function extraFields(bytes: Uint8Array): (id: number) => readonly Uint8Array[] {
  if (bytes.length === 0) return () => [];
  const view = viewOf(bytes);
  const fields: (readonly [id: number, bytes: Uint8Array])[] = [];
  let at = 0;
  // Fewer than four bytes at the end are padding, as some tools for aligned archives write it.
  while (at + 4 <= bytes.length) {
    const id = view.getUint16(at, true);
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > bytes.length)
      throw new RiffleError("malformed", "an extra field in the zip directory is longer than its entry");
    fields.push([id, bytes.subarray(at + 4, end)]);
    at = end;
  }
  return (id) => fields.filter(([one]) => one === id).map(([, field]) => field);
}

/** Takes from the zip64 field, in its fixed order, whatever the 32-bit field leaves to it (APPNOTE.TXT 4.5.3). */
function wideFields(field: Uint8Array | undefined, narrow: readonly number[]): readonly number[] {
  let at = 0;
  return narrow.map((value) => {
    if (value !== 0xffffffff || field === undefined) return value;
    if (at + 8 > field.length)
      throw new RiffleError("malformed", "a zip64 field in the zip directory lacks a size or offset");
    at += 8;
    return uint64(viewOf(field), at - 8, true);
  });
}

interface Entries {
  readonly bytes: Uint8Array;
  /** Of the same bytes. */
  readonly view: DataView;
}

function parseMember({ bytes, view }: Entries, at: number): { member: ZipMember; next: number } {
  if (at + ENTRY_BYTES > bytes.length || view.getUint32(at, true) !== ENTRY_SIGNATURE) {
    throw new RiffleError(
      "malformed",
      "the directory of the zip archive is broken: something else is where an entry should be",
    );
  }
  const flags = view.getUint16(at + 8, true);
  const nameEnd = at + ENTRY_BYTES + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const next = extraEnd + view.getUint16(at + 32, true);
  if (next > bytes.length) throw new RiffleError("malformed", "the directory of the zip archive is cut short");
  const fields = extraFields(bytes.subarray(nameEnd, extraEnd));
  const narrow = [24, 20, 42].map((offset) => view.getUint32(at + offset, true));
  const [size = 0, compressedBytes = 0, headerOffset = 0] = wideFields(fields(ZIP64_FIELD)[0], narrow);
  const mode = view.getUint32(at + 38, true) >>> 16;
  const isUnix = view.getUint8(at + 5) === MADE_BY_UNIX && mode !== 0;
  const path = memberName(bytes.subarray(at + ENTRY_BYTES, nameEnd), {
    isUtf8: (flags & FLAG_UTF8) !== 0,
    unicodePaths: fields(UNICODE_PATH_FIELD),
  });
  const member: ZipMember = {
    path,
    size,
    compressedBytes,
    method: view.getUint16(at + 10, true),
    crc32: view.getUint32(at + 16, true),
    headerOffset,
    isEncrypted: (flags & FLAG_ENCRYPTED) !== 0,
    mode: isUnix ? mode : undefined,
  };
  return { member, next };
}

/** Two members on the same bytes are how a small archive declares a huge content; no writer makes them. */
function refuseOverlaps(members: readonly ZipMember[]): void {
  const sorted = members.toSorted((a, b) => a.headerOffset - b.headerOffset);
  let end = 0;
  for (const { path, headerOffset, compressedBytes } of sorted) {
    if (headerOffset < end) {
      throw new RiffleError("malformed", `"${path}" of the zip archive lies on the bytes of another member`);
    }
    end = headerOffset + LOCAL_HEADER_BYTES + compressedBytes;
  }
}

/**
 * Where the directory really starts. Something may precede the archive without its offsets knowing (a self-extractor): then
 * the directory still ends at the end record.
 */
function basesOf(end: EndRecord): readonly number[] {
  const shift = end.start - end.directoryOffset - end.directoryBytes;
  if (shift < 0) throw new RiffleError("malformed", "the directory of the zip archive reaches behind its end record");
  return shift === 0 ? [0] : [0, shift];
}

async function directoryBytes(
  source: RangeSource,
  { start, end, tail, options }: { start: number; end: number; tail: Tail; options: FormatOptions },
): Promise<Uint8Array> {
  if (start >= tail.start) return tail.bytes.subarray(start - tail.start, end - tail.start);
  const front = await source.read({ start, end: Math.min(end, tail.start) }, options);
  return end <= tail.start ? front : Buffer.concat([front, tail.bytes.subarray(0, end - tail.start)]);
}

function beginsWithEntry(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && viewOf(bytes).getUint32(0, true) === ENTRY_SIGNATURE;
}

/**
 * The central directory: one request of 64 KiB at the end, and one more where the directory is longer. Nothing is allocated
 * by what the archive declares, `options.maxBytes` (default 256 MiB) bounds the directory. Rejects with `malformed`, or
 * `unsupported` for an archive in parts or of more than a million members.
 */
export async function readZipDirectory(source: RangeSource, options: FormatOptions = {}): Promise<ZipDirectory> {
  const how = { priority: "metadata" as const, ...options };
  const { end, tail } = await readEndRecord(source, how);
  const limit = Math.min(options.maxBytes ?? MAX_DIRECTORY_BYTES, MAX_DIRECTORY_BYTES);
  const isTooLong = end.directoryBytes > limit || (end.isZip64 && end.count > MAX_MEMBERS);
  if (isTooLong) {
    throw new RiffleError("unsupported", `the directory of the zip archive is too long: ${end.directoryBytes} bytes`, {
      facts: { directoryBytes: end.directoryBytes, limit },
    });
  }
  let base = 0;
  let bytes: Uint8Array = new Uint8Array();
  for (base of basesOf(end)) {
    const start = base + end.directoryOffset;
    bytes = await directoryBytes(source, { start, end: start + end.directoryBytes, tail, options: how });
    if (beginsWithEntry(bytes) || bytes.length === 0) break;
  }
  const members: ZipMember[] = [];
  // A Buffer is slow to cut into many pieces.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries = { bytes: plain, view: viewOf(plain) };
  for (let at = 0; at < bytes.length;) {
    if (members.length === MAX_MEMBERS) {
      throw new RiffleError("unsupported", `the zip archive has more than ${MAX_MEMBERS} members`);
    }
    const { member, next } = parseMember(entries, at);
    members.push(base === 0 ? member : { ...member, headerOffset: member.headerOffset + base });
    at = next;
  }
  const counted = end.isZip64 ? members.length : members.length % 0x10000;
  if (counted !== end.count) {
    throw new RiffleError(
      "malformed",
      `the end record of the zip archive counts ${end.count} members, its directory has ${members.length}`,
    );
  }
  refuseOverlaps(members);
  return { members, start: base + end.directoryOffset, isZip64: end.isZip64, commentBytes: end.commentBytes };
}

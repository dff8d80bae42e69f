import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { PAGE_BYTES, type ByteRange } from "../bytes/range.ts";

/**
 * A record is 32 bytes, little endian, so that none lies over the edge of a page (where the kernel may cut a write of a
 * process that is being killed):
 *
 * ```
 * 0 kind u8 | 1 flags u8 | 2 pages u16 | 4 CRC-32 of the bytes u32 | 8 first u64 | 16 boot tag u64 (48 bits used)
 * 24 magic u32 | 28 CRC-32 of bytes 0 to 27
 * ```
 */
export const RECORD_BYTES = 32;
/** 1 MiB: the most that is read again to prove one record after a power loss. */
export const RECORD_PAGES_MAX = 256;
const MAGIC = 0x31584652; // "RFX1"
const FLAG_VERIFIED = 1;

const KINDS = { head: 1, extent: 2, synced: 3, whole: 4 } as const;

/** The boot id was not to be had: records with it are always checked. */
export const NO_BOOT = 0;

/**
 * - `head`: the first of every log; `size` of the content in bytes, and a `nonce` that tells two lives of one path apart
 * - `extent`: pages `[first, first + pages)` were in the data file, with this CRC-32, when the record was written
 * - `synced`: what the first `records` records of this log say, as far as they carry the same boot tag, is on stable storage
 * - `whole`: all bytes had the content's digest, and were on stable storage before this record was written
 */
export type LogRecord =
  | { readonly kind: "head"; readonly size: number; readonly nonce: number; readonly boot: number }
  | {
      readonly kind: "extent";
      readonly first: number;
      readonly pages: number;
      readonly crc: number;
      readonly verified: boolean;
      readonly boot: number;
    }
  | { readonly kind: "synced"; readonly records: number; readonly boot: number }
  | { readonly kind: "whole"; readonly boot: number };

export type ExtentRecord = Extract<LogRecord, { kind: "extent" }>;

export function encodeRecord(record: LogRecord): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES);
  bytes.writeUInt8(KINDS[record.kind], 0);
  if (record.kind === "extent") {
    bytes.writeUInt8(record.verified ? FLAG_VERIFIED : 0, 1);
    bytes.writeUInt16LE(record.pages, 2);
    bytes.writeUInt32LE(record.crc, 4);
    bytes.writeBigUInt64LE(BigInt(record.first), 8);
  } else if (record.kind === "head") {
    bytes.writeUInt32LE(record.nonce, 4);
    bytes.writeBigUInt64LE(BigInt(record.size), 8);
  } else if (record.kind === "synced") bytes.writeBigUInt64LE(BigInt(record.records), 8);
  bytes.writeUIntLE(record.boot, 16, 6);
  bytes.writeUInt32LE(MAGIC, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 28)), 28);
  return bytes;
}

/** The records for a run of pages that was written: each of `RECORD_PAGES_MAX` at most. */
export function extentRecords(
  run: ByteRange,
  bytes: Uint8Array,
  how: { readonly verified: boolean; readonly boot: number },
): ExtentRecord[] {
  const records: ExtentRecord[] = [];
  for (let first = run.start; first < run.end; first += RECORD_PAGES_MAX) {
    const pages = Math.min(RECORD_PAGES_MAX, run.end - first);
    const part = bytes.subarray((first - run.start) * PAGE_BYTES, (first - run.start + pages) * PAGE_BYTES);
    records.push({ kind: "extent", first, pages, crc: crc32(part), verified: how.verified, boot: how.boot });
  }
  return records;
}

/** The record at `offset`, or undefined when it is torn or foreign. */
export function decodeRecord(bytes: Buffer, offset: number): LogRecord | undefined {
  if (bytes.length - offset < RECORD_BYTES) return undefined;
  if (bytes.readUInt32LE(offset + 24) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(offset + 28) !== crc32(bytes.subarray(offset, offset + 28))) return undefined;
  const first = Number(bytes.readBigUInt64LE(offset + 8));
  if (!Number.isSafeInteger(first)) return undefined;
  const boot = bytes.readUIntLE(offset + 16, 6);
  const crc = bytes.readUInt32LE(offset + 4);
  const pages = bytes.readUInt16LE(offset + 2);
  switch (bytes.readUInt8(offset)) {
    case KINDS.head:
      return { kind: "head", size: first, nonce: crc, boot };
    case KINDS.extent:
      if (pages === 0 || pages > RECORD_PAGES_MAX) return undefined;
      return { kind: "extent", first, pages, crc, verified: (bytes.readUInt8(offset + 1) & FLAG_VERIFIED) !== 0, boot };
    case KINDS.synced:
      return { kind: "synced", records: first, boot };
    case KINDS.whole:
      return { kind: "whole", boot };
    default:
      return undefined;
  }
}

/** Records up to the first bad one. `bytesUsed` ends behind the last good one; an incomplete last one is not `torn`. */
export function decodeRecords(bytes: Buffer): {
  readonly records: readonly LogRecord[];
  readonly bytesUsed: number;
  readonly torn: boolean;
} {
  const records: LogRecord[] = [];
  let offset = 0;
  while (offset + RECORD_BYTES <= bytes.length) {
    const record = decodeRecord(bytes, offset);
    if (record === undefined) return { records, bytesUsed: offset, torn: true };
    records.push(record);
    offset += RECORD_BYTES;
  }
  return { records, bytesUsed: offset, torn: false };
}

/** 48 bits of the kernel's boot id; `NO_BOOT` when there is none. */
export function bootTag(bootId: string | undefined): number {
  if (bootId === undefined || bootId.trim() === "") return NO_BOOT;
  return createHash("sha256").update(bootId.trim()).digest().readUIntLE(0, 6);
}

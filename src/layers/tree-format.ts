import { crc32 } from "node:zlib";
import { RiffleError } from "../errors.ts";

/**
 * The tree format, version 1: a header of 128 bytes, then sections in the order of `TreeColumns`, each on a multiple of
 * 8 bytes, in the byte order of the machine (little-endian wherever Node runs but s390x, which refuses foreign files).
 *
 * Header: 0 magic, 8 version, 12 byte-order mark, 16 rows, 20 sources, 24 root row, 28 CRC-32 of all behind the header,
 * 32 inode base (f64), 40 bytes of names, 44 of link targets, 48 of extended attributes, 52 CRC-32 of bytes 0-51.
 */
const MAGIC = new TextEncoder().encode("RIFTREE\n");
const VERSION = 1;
const BYTE_ORDER_MARK = 0x01020304;
const HEADER_BYTES = 128;
const HEADER_CRC_AT = 52;

/** What the sections' sizes follow from. */
export interface TreeCounts {
  readonly rows: number;
  readonly sources: number;
  readonly root: number;
  readonly inodeBase: number;
  readonly nameBytes: number;
  readonly targetBytes: number;
  readonly xattrBytes: number;
}

/** The sections of one buffer, as views. What a column means is said where it is read: tree-table.ts. */
export interface TreeColumns {
  readonly size: Float64Array;
  readonly mtime: Float64Array;
  readonly offset: Float64Array;
  readonly parent: Uint32Array;
  /** rows + 1 entries: the name of a row is `[nameEnd[row], nameEnd[row + 1])` of `names`. */
  readonly nameEnd: Uint32Array;
  /** Of a directory its first child, of anything else the row whose inode it shares. */
  readonly first: Uint32Array;
  readonly count: Uint32Array;
  readonly uid: Uint32Array;
  readonly gid: Uint32Array;
  readonly nlink: Uint32Array;
  readonly source: Uint32Array;
  /** sources + 1 entries, as `nameEnd` for `xattrs`. */
  readonly xattrEnd: Uint32Array;
  readonly mode: Uint16Array;
  readonly flags: Uint16Array;
  readonly names: Uint8Array;
  readonly targets: Uint8Array;
  readonly xattrs: Uint8Array;
}

export interface TreeSections {
  readonly counts: TreeCounts;
  readonly columns: TreeColumns;
}

function layOut(buffer: SharedArrayBuffer, counts: TreeCounts, at: SectionOffsets): TreeColumns {
  const { rows, sources } = counts;
  return {
    size: new Float64Array(buffer, at.size, rows),
    mtime: new Float64Array(buffer, at.mtime, rows),
    offset: new Float64Array(buffer, at.offset, rows),
    parent: new Uint32Array(buffer, at.parent, rows),
    nameEnd: new Uint32Array(buffer, at.nameEnd, rows + 1),
    first: new Uint32Array(buffer, at.first, rows),
    count: new Uint32Array(buffer, at.count, rows),
    uid: new Uint32Array(buffer, at.uid, rows),
    gid: new Uint32Array(buffer, at.gid, rows),
    nlink: new Uint32Array(buffer, at.nlink, rows),
    source: new Uint32Array(buffer, at.source, rows),
    xattrEnd: new Uint32Array(buffer, at.xattrEnd, sources + 1),
    mode: new Uint16Array(buffer, at.mode, rows),
    flags: new Uint16Array(buffer, at.flags, rows),
    names: new Uint8Array(buffer, at.names, counts.nameBytes),
    targets: new Uint8Array(buffer, at.targets, counts.targetBytes),
    xattrs: new Uint8Array(buffer, at.xattrs, counts.xattrBytes),
  };
}

type SectionOffsets = Readonly<Record<keyof TreeColumns | "end", number>>;

function sectionOffsets(counts: TreeCounts): SectionOffsets {
  const { rows, sources } = counts;
  let next = HEADER_BYTES;
  const take = (bytes: number): number => {
    const at = next;
    next += Math.ceil(bytes / 8) * 8;
    return at;
  };
  return {
    size: take(rows * 8),
    mtime: take(rows * 8),
    offset: take(rows * 8),
    parent: take(rows * 4),
    nameEnd: take(rows * 4 + 4),
    first: take(rows * 4),
    count: take(rows * 4),
    uid: take(rows * 4),
    gid: take(rows * 4),
    nlink: take(rows * 4),
    source: take(rows * 4),
    xattrEnd: take(sources * 4 + 4),
    mode: take(rows * 2),
    flags: take(rows * 2),
    names: take(counts.nameBytes),
    targets: take(counts.targetBytes),
    xattrs: take(counts.xattrBytes),
    end: next,
  };
}

/** An empty table of these counts; `sealTree` makes it valid once its columns are filled. */
export function allocateTree(counts: TreeCounts): {
  readonly buffer: SharedArrayBuffer;
  readonly columns: TreeColumns;
} {
  const at = sectionOffsets(counts);
  const buffer = new SharedArrayBuffer(at.end);
  return { buffer, columns: layOut(buffer, counts, at) };
}

/** Writes the header with both checksums, after which nothing may change. Costs a pass over all bytes. */
export function sealTree(buffer: SharedArrayBuffer, counts: TreeCounts): void {
  new Uint8Array(buffer).set(MAGIC, 0);
  const header = new DataView(buffer, 0, HEADER_BYTES);
  header.setUint32(8, VERSION, true);
  new Uint32Array(buffer, 12, 1)[0] = BYTE_ORDER_MARK;
  header.setUint32(16, counts.rows, true);
  header.setUint32(20, counts.sources, true);
  header.setUint32(24, counts.root, true);
  header.setUint32(28, bodyChecksum(buffer), true);
  header.setFloat64(32, counts.inodeBase, true);
  header.setUint32(40, counts.nameBytes, true);
  header.setUint32(44, counts.targetBytes, true);
  header.setUint32(48, counts.xattrBytes, true);
  header.setUint32(HEADER_CRC_AT, crc32(new Uint8Array(buffer, 0, HEADER_CRC_AT)), true);
}

/**
 * The sections of a sealed buffer, in constant time: the header is checked, and that the sections fill the buffer exactly.
 * Throws `malformed`.
 */
export function treeSections(buffer: SharedArrayBuffer): TreeSections {
  if (buffer.byteLength < HEADER_BYTES) throw malformedTree("shorter than its header");
  const header = new DataView(buffer, 0, HEADER_BYTES);
  if (!MAGIC.every((byte, index) => header.getUint8(index) === byte)) throw malformedTree("no tree table at all");
  if (header.getUint32(8, true) !== VERSION) throw malformedTree("of a version that this program does not know");
  if (new Uint32Array(buffer, 12, 1)[0] !== BYTE_ORDER_MARK) throw malformedTree("of the other byte order");
  if (header.getUint32(HEADER_CRC_AT, true) !== crc32(new Uint8Array(buffer, 0, HEADER_CRC_AT))) {
    throw malformedTree("damaged in its header");
  }
  const counts: TreeCounts = {
    rows: header.getUint32(16, true),
    sources: header.getUint32(20, true),
    root: header.getUint32(24, true),
    inodeBase: header.getFloat64(32, true),
    nameBytes: header.getUint32(40, true),
    targetBytes: header.getUint32(44, true),
    xattrBytes: header.getUint32(48, true),
  };
  const at = sectionOffsets(counts);
  if (counts.rows < 1 || counts.root >= counts.rows || at.end !== buffer.byteLength) throw malformedTree("cut short");
  const inodes = counts.inodeBase + counts.rows;
  if (!Number.isSafeInteger(inodes) || counts.inodeBase < 0) throw malformedTree("of impossible inode numbers");
  return { counts, columns: layOut(buffer, counts, at) };
}

/** CRC-32 of everything behind the header. */
function bodyChecksum(buffer: SharedArrayBuffer): number {
  return crc32(new Uint8Array(buffer, HEADER_BYTES));
}

/** Whether the bytes behind the header are those that were sealed. Costs a pass over all of them. */
export function bodyIsIntact(buffer: SharedArrayBuffer): boolean {
  return new DataView(buffer).getUint32(28, true) === bodyChecksum(buffer);
}

export function malformedTree(why: string): RiffleError {
  return new RiffleError("malformed", `tree table is ${why}`);
}

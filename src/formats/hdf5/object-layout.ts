import type { ByteRange } from "../../bytes/range.ts";
import { latin1, viewOf } from "../binary.ts";
import type { SyncReader } from "./sync-reader.ts";

/** Where a dataset's elements lie, as far as it is looked into (HDF5 File Format Specification 3.0, IV.A.2.i). */
export type ObjectLayout =
  | { readonly kind: "contiguous"; readonly range: ByteRange }
  | { readonly kind: "chunked"; readonly index: ChunkIndex }
  | { readonly kind: "other" };

export interface ChunkIndex {
  readonly kind: "btree1" | "single" | "implicit" | "fixed-array" | "other";
  readonly address: number;
  /** Of one chunk, in elements; the last is the size of an element. */
  readonly dimensions: readonly number[];
  /** Of a single chunk, filtered. */
  readonly storedBytes?: number;
  readonly base: number;
}

interface Sizes {
  readonly base: number;
  readonly isWide: boolean;
}

const SIGNATURE = "\u0089HDF\r\n\u001a\n";
const LAYOUT_MESSAGE = 8;
const CONTINUATION_MESSAGE = 16;
const MAX_CONTINUATIONS = 64;
const UNDEFINED = 0xffffffffffffffffn;

/** Where addresses are counted from. Undefined where they are not of 64 bits, as no writer has them in our times. */
export function baseOf(reader: SyncReader): number | undefined {
  for (let at = 0; at + 64 <= reader.size && at <= 2 ** 30; at = at === 0 ? 512 : at * 2) {
    const bytes = reader.read(at, 64);
    if (latin1(bytes, 0, 8) !== SIGNATURE) continue;
    const version = bytes[8] ?? 0;
    const [offsets, lengths, base] =
      version < 2 ? [bytes[13], bytes[14], version === 0 ? 24 : 28] : [bytes[9], bytes[10], 12];
    if (offsets !== 8 || lengths !== 8) return undefined;
    return address(viewOf(bytes), base);
  }
  return undefined;
}

/** The layout of the object whose header is at `at`, counted from `base`. `other` for all that is not understood. */
export function layoutOf(
  reader: SyncReader,
  { at, base }: { readonly at: number; readonly base: number },
): ObjectLayout {
  const sizes: Sizes = { base, isWide: true };
  for (const message of messagesOf(reader, { start: base + at, base })) {
    if (message.type === LAYOUT_MESSAGE) return parseLayout(message.bytes, { sizes, size: reader.size });
  }
  return { kind: "other" };
}

interface Message {
  readonly type: number;
  readonly bytes: Uint8Array;
}

interface Span {
  readonly start: number;
  readonly length: number;
}

function* messagesOf(
  reader: SyncReader,
  { start, base }: { readonly start: number; readonly base: number },
): Generator<Message> {
  const prefix = reader.read(start, Math.min(64, reader.size - start));
  const isNew = latin1(prefix, 0, 4) === "OHDR";
  if (!isNew && prefix[0] !== 1) return;
  const queue: Span[] = [
    isNew ? newSpan(prefix, start) : { start: start + 16, length: viewOf(prefix).getUint32(8, true) },
  ];
  const hasOrder = isNew && ((prefix[5] ?? 0) & 4) !== 0;
  for (let spans = 0; spans < queue.length && spans < MAX_CONTINUATIONS; spans += 1) {
    const span = queue[spans] ?? { start, length: 0 };
    const bytes = reader.read(span.start, Math.min(span.length, reader.size - span.start));
    const head = isNew ? (hasOrder ? 6 : 4) : 8;
    for (let at = 0; at + head <= bytes.length;) {
      const view = viewOf(bytes);
      const type = isNew ? view.getUint8(at) : view.getUint16(at, true);
      const length = view.getUint16(at + (isNew ? 1 : 2), true);
      const body = bytes.subarray(at + head, at + head + length);
      if (type === CONTINUATION_MESSAGE && body.length >= 16) {
        const found = { start: base + (address(viewOf(body), 0) ?? 0), length: address(viewOf(body), 8) ?? 0 };
        // Blocks of new headers have a signature before and a checksum behind their messages.
        queue.push(isNew ? { start: found.start + 4, length: found.length - 8 } : found);
      }
      yield { type, bytes: body };
      at += head + length;
    }
  }
}

function newSpan(prefix: Uint8Array, start: number): Span {
  const flags = prefix[5] ?? 0;
  const sizeAt = 6 + ((flags & 32) !== 0 ? 16 : 0) + ((flags & 16) !== 0 ? 4 : 0);
  const width = 2 ** (flags & 3);
  return { start: start + sizeAt + width, length: uint(viewOf(prefix), sizeAt, width) };
}

function parseLayout(
  bytes: Uint8Array,
  { sizes, size }: { readonly sizes: Sizes; readonly size: number },
): ObjectLayout {
  const view = viewOf(bytes);
  const [version = 0, kind = 0] = bytes;
  const { base } = sizes;
  if (version === 1 || version === 2) return parseOldLayout(view, { base, size });
  if (version !== 3 && version !== 4) return { kind: "other" };
  if (kind === 1 && bytes.length >= 18) {
    const start = address(view, 2);
    const length = address(view, 10);
    if (start === undefined || length === undefined || base + start + length > size) return { kind: "other" };
    return { kind: "contiguous", range: { start: base + start, end: base + start + length } };
  }
  if (kind !== 2) return { kind: "other" };
  return version === 3 ? chunkedV3(view, base) : chunkedV4(view, base);
}

/** Versions 1 and 2, of the libraries before 1.6: an address and lengths, the last being the size of an element. */
function parseOldLayout(
  view: DataView,
  { base, size }: { readonly base: number; readonly size: number },
): ObjectLayout {
  const count = view.getUint8(1);
  const kind = view.getUint8(2);
  if ((kind !== 1 && kind !== 2) || view.byteLength < 16 + count * 4) return { kind: "other" };
  const at = address(view, 8);
  if (at === undefined) return { kind: "other" };
  const lengths = Array.from({ length: count }, (_, i) => view.getUint32(16 + i * 4, true));
  if (kind === 2) return { kind: "chunked", index: { kind: "btree1", address: base + at, dimensions: lengths, base } };
  const bytes = lengths.reduce((product, length) => product * length, 1);
  return base + at + bytes > size
    ? { kind: "other" }
    : { kind: "contiguous", range: { start: base + at, end: base + at + bytes } };
}

function chunkedV3(view: DataView, base: number): ObjectLayout {
  const count = view.getUint8(2);
  const at = address(view, 3);
  if (at === undefined || view.byteLength < 11 + count * 4) return { kind: "other" };
  const dimensions = Array.from({ length: count }, (_, i) => view.getUint32(11 + i * 4, true));
  return { kind: "chunked", index: { kind: "btree1", address: base + at, dimensions, base } };
}

const INDEX_KINDS = ["other", "single", "implicit", "fixed-array"] as const;

function chunkedV4(view: DataView, base: number): ObjectLayout {
  const flags = view.getUint8(2);
  const count = view.getUint8(3);
  const width = view.getUint8(4);
  if (width < 1 || width > 8 || view.byteLength < 6 + count * width + 8) return { kind: "other" };
  const dimensions = Array.from({ length: count }, (_, i) => uint(view, 5 + i * width, width));
  let next = 5 + count * width;
  const kind = INDEX_KINDS[view.getUint8(next)] ?? "other";
  next += 1;
  const isFilteredSingle = kind === "single" && (flags & 2) !== 0;
  const stored = isFilteredSingle ? { storedBytes: uint(view, next, 8) } : {};
  if (isFilteredSingle) next += 12;
  if (kind === "fixed-array") next += 1;
  const at = view.byteLength >= next + 8 ? address(view, next) : undefined;
  if (at === undefined) return { kind: "other" };
  return { kind: "chunked", index: { kind, address: base + at, dimensions, base, ...stored } };
}

/** Undefined for the address of nothing, and for what no file is as long as. */
export function address(view: DataView, at: number): number | undefined {
  const value = view.getBigUint64(at, true);
  return value === UNDEFINED || value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value);
}

export function uint(view: DataView, at: number, width: number): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i -= 1) value = value * 256 + view.getUint8(at + i);
  return value;
}

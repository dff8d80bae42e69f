import type { WarmResult } from "../cache/cache.ts";
import { ROW_LIVE, type Row } from "../layers/tree.ts";
import { sizeOf } from "./attributes.ts";
import { getU32, OUT_HEADER_BYTES, putU32 } from "./protocol.ts";
import type { TreeTotals, TreeView } from "./tree-view.ts";
import type { LiveXattr } from "./xattrs.ts";

/** The request takes no answer. */
export const NO_REPLY = 0;
/** Only the main thread can answer. */
export const DEFERRED = -1;

/** Longest name of Linux (NAME_MAX), in bytes. */
export const NAME_BYTES_MAX = 255;

/** The part of `WarmReader` that is used here: all the bytes or none (`result.bytes` is then not `length`). */
export interface WarmReads {
  read(
    slot: number,
    offset: number,
    length: number,
    target: Uint8Array,
    targetOffset: number,
    result: WarmResult,
  ): void;
}

/** What a READ asked for, cut at the end of the file; valid until the next request. */
export interface AskedRead {
  row: Row;
  start: number;
  end: number;
  handle: number;
  /** It was answered warm and passed a mark. */
  crossed: boolean;
}

export interface HandlerOptions {
  readonly view: TreeView;
  readonly totals: TreeTotals;
  /** Holds the request; 8 KiB. */
  readonly request: Uint8Array;
  /** Takes the reply; MAX_READ_BYTES and a header. */
  readonly reply: Uint8Array;
  /** Cached bytes, and the slot of each source (0: none). Without them every READ is deferred. */
  readonly warm?: { readonly reader: WarmReads; readonly slots: Int32Array };
  /** What changes while the mount lives; where it is absent, requests that need it are deferred. */
  readonly live?: { readonly size: (row: Row) => number; readonly xattr: LiveXattr };
  /** Reads, bytes read, bytes of them from the cache, bytes of them proven: counted up by warm reads. */
  readonly counters?: Float64Array;
}

export interface Handler {
  /**
   * Answers the request of `length` bytes: writes the reply and returns its length, or NO_REPLY, or DEFERRED. Any bytes
   * may be given; what breaks the protocol gets an errno. OPEN, RELEASE and INTERRUPT are always deferred.
   */
  handle(length: number): number;
  readonly asked: AskedRead;
}

/** The request and the reply as the handler sees them, with the few ways to answer. */
export interface Exchange extends HandlerOptions {
  readonly input: DataView;
  readonly out: DataView;
  readonly asked: AskedRead;
  readonly warmResult: WarmResult;
}

/** Writes the out header; `body` bytes follow it already. */
export function done(exchange: Exchange, body: number): number {
  const { input, out } = exchange;
  putU32(out, 0, OUT_HEADER_BYTES + body);
  putU32(out, 4, 0);
  putU32(out, 8, getU32(input, 8));
  putU32(out, 12, getU32(input, 12));
  return OUT_HEADER_BYTES + body;
}

/** An empty reply with an error. */
export function fail(exchange: Exchange, positiveErrno: number): number {
  const length = done(exchange, 0);
  exchange.out.setInt32(4, -positiveErrno, true);
  return length;
}

/** Present size of what changes, DEFERRED where this thread cannot know it. */
export function presentSize(exchange: Exchange, row: Row): number {
  if ((exchange.view.tree.flags(row) & ROW_LIVE) === 0) return sizeOf(exchange.view, row);
  return exchange.live === undefined ? DEFERRED : exchange.live.size(row);
}

/** Where the NUL of the string that starts at `at` lies; -1 when it has none. */
export function stringEnd(exchange: Exchange, at: number, received: number): number {
  const end = exchange.request.indexOf(0, at);
  return end < received ? end : -1;
}

import type { MessagePort } from "node:worker_threads";
import type { ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import {
  ANSWERED,
  HEADER_BYTES,
  LENGTH_WORD,
  STATE_WORD,
  WAITING,
  type Piece,
  type WorkerMessage,
  type WorkerSetup,
} from "./protocol.ts";

/** Reads that wait, for code that cannot: in a worker thread, while the main thread fetches. */
export interface SyncReader {
  readonly size: number;
  /** Throws where the bytes could not be fetched, or where they lie outside the file. */
  read(start: number, length: number): Uint8Array;
  /** Bytes that need not be fetched; those of the call before are forgotten. */
  offer(pieces: readonly Piece[]): void;
}

/** Nodes of trees and headers are small and lie together: reads of up to `SMALL_BYTES` take the blocks around them. */
const BLOCK_BYTES = 64 * 1024;
const SMALL_BYTES = 4096;
const KEPT_BLOCKS = 512;

export function syncReader(port: MessagePort, { shared, size }: WorkerSetup): SyncReader {
  const words = new Int32Array(shared, 0, 2);
  const data = new Uint8Array(shared, HEADER_BYTES);
  const blocks = new Map<number, Uint8Array>();
  let offered: readonly Piece[] = [];
  const ask = (message: WorkerMessage, to: Uint8Array): void => {
    Atomics.store(words, STATE_WORD, WAITING);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    port.postMessage(message);
    Atomics.wait(words, STATE_WORD, WAITING);
    if (Atomics.load(words, STATE_WORD) !== ANSWERED || Atomics.load(words, LENGTH_WORD) !== to.length) {
      throw new RiffleError("unreachable", "bytes of the HDF5 file could not be fetched");
    }
    to.set(data.subarray(0, to.length));
  };
  const fetch = (range: ByteRange): Uint8Array => {
    const bytes = new Uint8Array(range.end - range.start);
    for (let done = 0; done < bytes.length; done += data.length) {
      const part = { start: range.start + done, end: range.start + Math.min(bytes.length, done + data.length) };
      const message: WorkerMessage = done === 0 ? { kind: "fetch", range } : { kind: "more", range: part };
      ask(message, bytes.subarray(done, done + part.end - part.start));
    }
    return bytes;
  };
  const blockAt = (number: number, last: number): Uint8Array => {
    const known = blocks.get(number);
    blocks.delete(number);
    if (known !== undefined) {
      blocks.set(number, known);
      return known;
    }
    let end = number + 1;
    while (end <= last && !blocks.has(end)) end += 1;
    const bytes = fetch({ start: number * BLOCK_BYTES, end: Math.min(size, end * BLOCK_BYTES) });
    for (let each = number; each < end; each += 1) {
      blocks.set(each, bytes.subarray((each - number) * BLOCK_BYTES, (each - number + 1) * BLOCK_BYTES));
    }
    for (const oldest of blocks.keys()) {
      if (blocks.size <= KEPT_BLOCKS || oldest === number) break;
      blocks.delete(oldest);
    }
    return blocks.get(number) ?? bytes;
  };
  return {
    size,
    offer: (pieces) => {
      offered = pieces;
    },
    read: (start, length) => {
      if (start < 0 || length < 0 || start + length > size)
        throw new RiffleError("malformed", "the HDF5 file points behind its end");
      const piece = offered.find((one) => one.start <= start && start + length <= one.start + one.bytes.length);
      if (piece !== undefined) return piece.bytes.subarray(start - piece.start, start - piece.start + length);
      if (length > SMALL_BYTES) return fetch({ start, end: start + length });
      const bytes = new Uint8Array(length);
      const last = Math.floor((start + length - 1) / BLOCK_BYTES);
      for (let done = 0; done < length;) {
        const at = start + done;
        const block = blockAt(Math.floor(at / BLOCK_BYTES), last);
        const part = block.subarray(at % BLOCK_BYTES, (at % BLOCK_BYTES) + length - done);
        bytes.set(part, done);
        done += part.length;
      }
      return bytes;
    },
  };
}

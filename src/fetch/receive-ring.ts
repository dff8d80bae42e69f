import type { Socket } from "node:net";

/** What one read of a socket takes at most: as much as Node's own buffers. */
const SLOT_BYTES = 64 * 1024;
/** Less than this is copied out, and its slot is used again at once. */
const LENT_BYTES = 32 * 1024;
/**
 * Of a held connection at most four slots are in use: the piece that is held, two of `LENT_BYTES` or more that fill the
 * stream's buffer (64 KiB, then the socket stops), and the one that is being filled. Twice that, to be far from it.
 */
const SLOTS = 8;

/** The part of `net.connect`'s and `tls.connect`'s options that says where incoming bytes go. */
export interface ReceiveOptions {
  readonly onread: {
    readonly buffer: () => Uint8Array;
    readonly callback: (this: Socket, count: number, bytes: Uint8Array) => boolean;
  };
}

/**
 * Memory that one connection receives in, used by turns. Fresh memory for each 64 KiB, which is what sockets take by
 * themselves, lies outside the heap and is collected dearly. What the socket gives is thus only lent: who keeps a piece
 * longer than the connection is held for it must copy it.
 */
export function receiveRing(): ReceiveOptions {
  const slots: Uint8Array[] = [];
  let turn = 0;
  let isLent = false;
  return {
    onread: {
      buffer: () => {
        if (isLent) turn = (turn + 1) % SLOTS;
        isLent = false;
        return (slots[turn] ??= Buffer.allocUnsafeSlow(SLOT_BYTES));
      },
      callback(count, bytes) {
        isLent = count >= LENT_BYTES;
        // The stream goes on as if it had received them itself.
        return this.push(isLent ? bytes.subarray(0, count) : Buffer.from(bytes.subarray(0, count)));
      },
    },
  };
}

/**
 * One write of the cache and one record for each block. Readers are answered from what has arrived, so presence may follow
 * at this distance; a quarter of it costs a sixth more processor time on a long read.
 */
export const BLOCK_BYTES: number = 1024 * 1024;
/** As many as a busy link has on their way to the disk at once: one for each of eight connections, and some to spare. */
const MAX_FREE = 12;

/**
 * Buffers that blocks are gathered in, used again: fresh memory for each costs more (page faults, collection of buffers
 * outside the heap) than all else that is done to a byte. What is taken holds what it held before.
 */
export class BlockPool {
  #free: Uint8Array[] = [];

  take(bytes: number): Uint8Array {
    if (bytes < BLOCK_BYTES) return rawBytes(bytes);
    return this.#free.pop() ?? rawBytes(BLOCK_BYTES);
  }

  /** Nobody may look at `block` any more. */
  give(block: Uint8Array): void {
    if (block.length === BLOCK_BYTES && this.#free.length < MAX_FREE) this.#free.push(block);
  }

  /** For a time without work: lets go of what is free. */
  clear(): void {
    this.#free = [];
  }
}

/** Memory with whatever was in it before: for what is filled to its last byte. Not a Buffer, whose `slice` does not copy. */
export function rawBytes(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

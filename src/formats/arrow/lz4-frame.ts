import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";

const MAGIC = 0x184d2204;
const LEAST_MATCH = 4;

/**
 * Decodes one LZ4 frame (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md) to exactly `size` bytes, linked and
 * independent blocks alike. Checksums are not looked at: the format of the buffers has none of its own to hold them against.
 * Throws `malformed`.
 */
export function decodeLz4Frame(frame: Uint8Array, size: number): Uint8Array {
  const output = new Uint8Array(size);
  try {
    const end = decodeBlocks(frame, output);
    if (end === size) return output;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new RiffleError("malformed", `an LZ4 frame that does not hold the ${size} bytes that it should`);
}

function decodeBlocks(frame: Uint8Array, output: Uint8Array): number {
  const view = viewOf(frame);
  if (view.getUint32(0, true) !== MAGIC) throw new RangeError("no LZ4 frame");
  const flags = view.getUint8(4);
  if (flags >> 6 !== 1) throw new RangeError("another version");
  const hasBlockChecksum = (flags & 0x10) !== 0;
  let at = 6 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0) + 1;
  let end = 0;
  for (;;) {
    const header = view.getUint32(at, true);
    at += 4;
    if (header === 0) return end;
    const length = header & 0x7fffffff;
    if (at + length > frame.length) throw new RangeError("a block beyond its frame");
    const block = frame.subarray(at, at + length);
    if (header >>> 31 === 1) {
      output.set(block, end);
      end += length;
    } else {
      end = decodeBlock(block, { output, start: end });
    }
    at += length + (hasBlockChecksum ? 4 : 0);
  }
}

/** One block of sequences, https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md. Matches may reach into earlier blocks. */
function decodeBlock(block: Uint8Array, { output, start }: { output: Uint8Array; start: number }): number {
  let at = 0;
  let end = start;
  const length = (nibble: number): number => {
    if (nibble < 15) return nibble;
    let total = nibble;
    for (;;) {
      const more = block[at++];
      if (more === undefined) throw new RangeError("a length that does not end");
      total += more;
      if (more < 255) return total;
    }
  };
  while (at < block.length) {
    const token = block[at++] ?? 0;
    const literals = length(token >> 4);
    if (at + literals > block.length || end + literals > output.length)
      throw new RangeError("literals beyond their block");
    output.set(block.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at === block.length) return end;
    const distance = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8);
    at += 2;
    const match = length(token & 15) + LEAST_MATCH;
    if (distance === 0 || distance > end || end + match > output.length)
      throw new RangeError("a match outside of the output");
    // Bytes of a match may be ones that it writes itself: no block copy.
    for (let count = 0; count < match; count++, end++) output[end] = output[end - distance] ?? 0;
  }
  return end;
}

import { RiffleError } from "../../../errors.ts";

const CLEAR = 256;
const END = 257;
const FIRST = 258;
const MAX_CODES = 4096;

/**
 * TIFF 6.0 section 13, and the form before it that some writers kept (least significant bit first, widths that change one
 * code later). Gives `length` bytes at most; fewer when the stream ends early. Throws `malformed` on a code that is not there.
 */
export function decodeLzw(input: Uint8Array, length: number): Uint8Array {
  const old = input[0] === 0 && ((input[1] ?? 0) & 1) === 1;
  const output = new Uint8Array(length);
  // each code is a slice of the output: the string of its first code, and one byte more
  const starts = new Int32Array(MAX_CODES + 1);
  const lengths = new Int32Array(MAX_CODES + 1);
  let next = FIRST;
  let width = 9;
  let previous = -1;
  let written = 0;
  let bit = 0;
  const bits = input.length * 8;
  while (written < length && bit + width <= bits) {
    const code = old ? lowCode(input, bit, width) : highCode(input, bit, width);
    bit += width;
    if (code === END) break;
    if (code === CLEAR) {
      next = FIRST;
      width = 9;
      previous = -1;
      continue;
    }
    const start = written;
    if (code < CLEAR) {
      output[written] = code;
      written += 1;
    } else {
      if (previous < 0 || code > next || (code === next && next >= MAX_CODES)) {
        throw new RiffleError("malformed", `LZW code ${code} is not in the table of ${next} codes`);
      }
      // the code being made now is its predecessor's string and its own first byte
      const from = code === next ? previous : (starts[code] ?? 0);
      const take = code === next ? start - previous + 1 : (lengths[code] ?? 0);
      const end = Math.min(length, written + take);
      for (let at = from; written < end; at += 1, written += 1) output[written] = output[at] ?? 0;
    }
    if (previous >= 0 && next < MAX_CODES) {
      starts[next] = previous;
      lengths[next] = start - previous + 1;
      next += 1;
    }
    previous = start;
    // section 13: the width grows one code early; the older form did not
    width = widthFor(old ? next : next + 1);
  }
  return written === length ? output : output.subarray(0, written);
}

function widthFor(codes: number): number {
  if (codes < 512) return 9;
  if (codes < 1024) return 10;
  return codes < 2048 ? 11 : 12;
}

// oxlint-disable-next-line max-params -- called for every code: an object would cost more than the rest
function highCode(input: Uint8Array, bit: number, width: number): number {
  const at = bit >>> 3;
  const three = ((input[at] ?? 0) << 16) | ((input[at + 1] ?? 0) << 8) | (input[at + 2] ?? 0);
  return (three >>> (24 - (bit & 7) - width)) & ((1 << width) - 1);
}

// oxlint-disable-next-line max-params -- as above
function lowCode(input: Uint8Array, bit: number, width: number): number {
  const at = bit >>> 3;
  const three = (input[at] ?? 0) | ((input[at + 1] ?? 0) << 8) | ((input[at + 2] ?? 0) << 16);
  return (three >>> (bit & 7)) & ((1 << width) - 1);
}

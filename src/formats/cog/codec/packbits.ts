import { RiffleError } from "../../../errors.ts";

/** TIFF 6.0 section 9. Gives `length` bytes at most; fewer when the input ends early. Throws `malformed` on a run that overflows. */
export function decodePackBits(input: Uint8Array, length: number): Uint8Array {
  const output = new Uint8Array(length);
  let written = 0;
  for (let at = 0; at < input.length && written < length;) {
    const head = ((input[at] ?? 0) << 24) >> 24;
    at += 1;
    if (head === -128) continue;
    const count = head < 0 ? 1 - head : head + 1;
    if (written + count > length) {
      throw new RiffleError(
        "malformed",
        `a PackBits run goes ${written + count - length} bytes past the end of its unit`,
      );
    }
    if (head < 0) {
      const value = input[at];
      if (value === undefined) break;
      output.fill(value, written, written + count);
      at += 1;
      written += count;
    } else {
      const literal = input.subarray(at, at + count);
      output.set(literal, written);
      written += literal.length;
      at += count;
    }
  }
  return written === length ? output : output.subarray(0, written);
}

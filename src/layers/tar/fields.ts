const ZERO = 0x30;
const SEVEN = 0x37;
const SPACE = 0x20;
const BASE_256 = 0x80;
const NEGATIVE = 0x40;

/** Where a field lies in a header block. */
export interface Field {
  readonly at: number;
  readonly bytes: number;
}

/** A text field up to its first NUL. */
export function textField(block: Uint8Array, { at, bytes }: Field): Uint8Array {
  return untilNul(block.subarray(at, at + bytes));
}

export function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/**
 * A number in octal digits or, with the first bit set, in base 256 with a sign; blank is 0. Undefined for what is neither.
 * What does not fit 53 bits comes rounded: no safe integer.
 */
export function numberField(block: Uint8Array, { at, bytes }: Field): number | undefined {
  const field = block.subarray(at, at + bytes);
  return ((field[0] ?? 0) & BASE_256) === 0 ? octal(field) : base256(field);
}

function octal(field: Uint8Array): number | undefined {
  let at = 0;
  while (isBlank(field[at])) at += 1;
  let value = 0;
  for (; at < field.length; at += 1) {
    const digit = field[at] ?? 0;
    if (digit < ZERO || digit > SEVEN) break;
    value = value * 8 + (digit - ZERO);
  }
  // A NUL ends the text, whatever lies behind it.
  while (field[at] === SPACE) at += 1;
  return at >= field.length || field[at] === 0 ? value : undefined;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === 0;
}

function base256(field: Uint8Array): number {
  const isNegative = ((field[0] ?? 0) & NEGATIVE) !== 0;
  const flip = isNegative ? 0xff : 0;
  let value = ((field[0] ?? 0) ^ flip) & 0x7f;
  for (const byte of field.subarray(1)) value = value * 256 + (byte ^ flip);
  return isNegative ? -value - 1 : value;
}

import { numberField, type Field } from "./fields.ts";

/** A part of a sparse member that is stored: `bytes` of it lie at `offset` of the member. The rest is zeros. */
export interface SparsePart {
  readonly offset: number;
  readonly bytes: number;
}

/** More places than any writer makes of a file; a map of so many is refused before it is kept. */
export const MOST_PARTS = 100_000;

const OLD_PARTS_AT = 386;
const OLD_PARTS = 4;
const OLD_EXTENDED_AT = 482;
const OLD_REAL_SIZE: Field = { at: 483, bytes: 12 };
const EXTENSION_PARTS = 21;
const EXTENSION_EXTENDED_AT = 504;
const NUMBER_BYTES = 12;

/** What one block says of an old GNU sparse member: numbers as they are, and whether another block follows. */
export interface SparseBlock {
  readonly numbers: readonly number[];
  readonly isExtended: boolean;
}

/** The part of the map in a header of type `S`. */
export function headerMap(block: Uint8Array): SparseBlock & { readonly realSize: number } {
  const numbers = oldParts(block, { at: OLD_PARTS_AT, count: OLD_PARTS });
  return {
    numbers,
    isExtended: block[OLD_EXTENDED_AT] !== 0,
    realSize: numberField(block, OLD_REAL_SIZE) ?? Number.NaN,
  };
}

/** The part of the map in a block behind such a header. */
export function extensionMap(block: Uint8Array): SparseBlock {
  const numbers = oldParts(block, { at: 0, count: EXTENSION_PARTS });
  return { numbers, isExtended: block[EXTENSION_EXTENDED_AT] !== 0 };
}

function oldParts(block: Uint8Array, { at, count }: { readonly at: number; readonly count: number }): number[] {
  const numbers: number[] = [];
  for (let part = 0; part < count; part += 1) {
    const start = at + part * 2 * NUMBER_BYTES;
    if (block[start] === 0) break;
    numbers.push(numberField(block, { at: start, bytes: NUMBER_BYTES }) ?? Number.NaN);
    numbers.push(numberField(block, { at: start + NUMBER_BYTES, bytes: NUMBER_BYTES }) ?? Number.NaN);
  }
  return numbers;
}

/**
 * The map of version 1.0, which begins the content: numbers in decimal, a line each, the count of parts first. Undefined
 * while lines are missing; NaN among the numbers for what is none. `bytes` is where the map ends.
 */
export function leadingMap(
  content: Uint8Array,
): { readonly numbers: readonly number[]; readonly bytes: number } | undefined {
  const lines = Buffer.from(content.buffer, content.byteOffset, content.length).toString("latin1").split("\n");
  const count = lines.length < 2 ? 0 : wholeLine(lines[0]);
  if (!(count <= MOST_PARTS)) return { numbers: [Number.NaN], bytes: 0 };
  const whole = 1 + 2 * count;
  if (lines.length - 1 < whole) return undefined;
  const map = lines.slice(0, whole);
  return { numbers: map.slice(1).map(wholeLine), bytes: map.reduce((sum, line) => sum + line.length + 1, 0) };
}

function wholeLine(line: string | undefined): number {
  return line !== undefined && /^\d{1,20}$/.test(line) ? Number(line) : Number.NaN;
}

/**
 * The parts in order of offset; undefined for a map that overlaps, runs backwards, leaves the member, or stores another
 * number of bytes than the member has.
 */
export function checkedParts(
  numbers: readonly number[],
  sizes: { readonly realSize: number; readonly storedBytes: number },
): readonly SparsePart[] | undefined {
  const { realSize, storedBytes } = sizes;
  if (!Number.isSafeInteger(realSize) || realSize < 0 || numbers.length % 2 !== 0) return undefined;
  if (numbers.length > 2 * MOST_PARTS) return undefined;
  const parts: SparsePart[] = [];
  let end = 0;
  let stored = 0;
  for (let at = 0; at < numbers.length; at += 2) {
    const offset = numbers[at] ?? Number.NaN;
    const bytes = numbers[at + 1] ?? Number.NaN;
    const isSound = Number.isSafeInteger(offset) && Number.isSafeInteger(bytes) && offset >= end && bytes >= 0;
    if (!isSound || bytes > realSize - offset) return undefined;
    end = offset + bytes;
    stored += bytes;
    if (bytes > 0) parts.push({ offset, bytes });
  }
  return stored === storedBytes ? parts : undefined;
}

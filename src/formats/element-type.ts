import { RiffleError } from "../errors.ts";

/** Bytes within an element that are turned around to make it little-endian: `count` words of `width` bytes from `at`. */
export interface SwappedWords {
  readonly at: number;
  readonly width: number;
  readonly count: number;
}

/** What one element of an array is. */
export interface ElementType {
  /** Of the elements as they are given: little-endian, as NumPy's `dtype.str`, or a name that NumPy does not have. */
  readonly dtype: string;
  readonly itemBytes: number;
  /** Empty where the stored bytes are little-endian already. */
  readonly swapped: readonly SwappedWords[];
}

/** Longer strings are no elements of a type but whole files. */
const MAX_ITEM_BYTES = 16 * 1024 * 1024;
const WIDTHS: Readonly<Record<string, readonly number[]>> = {
  b: [1],
  i: [1, 2, 4, 8],
  u: [1, 2, 4, 8],
  f: [2, 4, 8, 12, 16],
  c: [8, 16, 24, 32],
  M: [8],
  m: [8],
};

/**
 * The type that NumPy's array-interface text names (https://numpy.org/doc/stable/reference/arrays.interface.html).
 * Pickled objects and unknown kinds are `unsupported`.
 */
export function numpyType(text: string): ElementType {
  const match = /^([<>|=]?)([a-zA-Z])(\d{0,10})(\[[^\]]{1,20}\])?$/.exec(text);
  const [, order = "", kind = "", digits = "", unit = ""] = match ?? [];
  if (kind === "O") throw new RiffleError("unsupported", `type ${text} holds pickled objects, which are never loaded`);
  const size = Number(digits);
  const itemBytes = kind === "U" ? size * 4 : size;
  const known = WIDTHS[kind]?.includes(size) ?? ["S", "a", "V", "U"].includes(kind);
  const hasUnit = unit !== "";
  if (match === null || !known || (hasUnit && kind !== "M" && kind !== "m")) {
    throw new RiffleError("unsupported", `type ${shorten(text)} is not one that riffle reads`);
  }
  if (itemBytes < 1 || itemBytes > MAX_ITEM_BYTES) {
    throw new RiffleError("unsupported", `type ${text} has elements of ${itemBytes} bytes`);
  }
  const width = wordBytes(kind, itemBytes);
  const swapped = order === ">" && width > 1 ? [{ at: 0, width, count: itemBytes / width }] : [];
  return { dtype: `${width === 1 ? "|" : "<"}${kind === "a" ? "S" : kind}${digits}${unit}`, itemBytes, swapped };
}

/** Turns stored elements into little-endian ones, in place. */
export function toLittleEndian(bytes: Uint8Array, { itemBytes, swapped }: ElementType): Uint8Array {
  const [only] = swapped;
  if (swapped.length === 1 && only !== undefined && only.width * only.count === itemBytes) {
    swapWords(bytes, { at: 0, width: only.width, count: bytes.length / only.width });
    return bytes;
  }
  for (let start = 0; swapped.length > 0 && start < bytes.length; start += itemBytes) {
    for (const words of swapped) swapWords(bytes, { ...words, at: start + words.at });
  }
  return bytes;
}

function swapWords(bytes: Uint8Array, { at, width, count }: SwappedWords): void {
  const words = Buffer.from(bytes.buffer, bytes.byteOffset + at, width * count);
  if (width === 2) words.swap16();
  else if (width === 4) words.swap32();
  else if (width === 8) words.swap64();
  else for (let word = 0; word < words.length; word += width) words.subarray(word, word + width).reverse();
}

/** What a byte order turns around: half of a complex number, one character of a string. */
function wordBytes(kind: string, itemBytes: number): number {
  if (kind === "c") return itemBytes / 2;
  if (kind === "U") return 4;
  return kind === "S" || kind === "a" || kind === "V" ? 1 : itemBytes;
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

/** Elements of `shape`; undefined when that is beyond what a file can hold. */
export function elementCount(shape: readonly number[]): number | undefined {
  if (shape.includes(0)) return 0;
  let count = 1;
  for (const length of shape) {
    count *= length;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

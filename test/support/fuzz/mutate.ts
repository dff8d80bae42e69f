export interface MutateOptions {
  /** A whole number from 0 below the bound. */
  readonly random: (below: number) => number;
  readonly words: readonly string[];
  /** Another input, to take pieces from. */
  readonly other: Uint8Array;
  readonly maxBytes: number;
}

const BYTES = [0, 1, 0x7f, 0x80, 0xff, 0x20, 0x22, 0x2c, 0x2f, 0x5c, 0x7b];
/** Edges of what counts and offsets are written in. */
const NUMBERS = [0n, 1n, 0x7fn, 0xffn, 0x7fffn, 0xffffn, 0x7fff_ffffn, 0xffff_ffffn, 1n << 31n, 1n << 40n, 1n << 53n];
const LARGE = [(1n << 53n) - 1n, 1n << 60n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];
const WIDTHS = [2, 4, 8] as const;

/** A copy of `input` with one to eight changes; the same for the same numbers. */
export function mutate(input: Uint8Array, options: MutateOptions): Uint8Array {
  let bytes: Uint8Array = input.slice();
  // Mostly few: what is changed everywhere is refused at once.
  const count = 1 + options.random(1 + options.random(8));
  for (let change = 0; change < count; change += 1) bytes = changed(bytes, options);
  return bytes.subarray(0, options.maxBytes);
}

function changed(bytes: Uint8Array, options: MutateOptions): Uint8Array {
  const { random, words, other } = options;
  const at = random(bytes.length + 1);
  const length = 1 + random(random(4) === 0 ? 1 + bytes.length : 16);
  switch (random(12)) {
    case 0:
      return set(bytes, at, [(bytes[at] ?? 0) ^ (1 << random(8))]);
    case 1:
      return set(bytes, at, [BYTES[random(BYTES.length)] ?? 0]);
    case 2:
      return set(bytes, at, [random(256)]);
    case 3:
    case 4:
      return set(bytes, at, number(random));
    case 5:
      return spliced(bytes, { at, remove: length, insert: new Uint8Array(0) });
    case 6:
      return spliced(bytes, { at, remove: 0, insert: bytes.subarray(at, at + length) });
    case 7:
      return spliced(bytes, { at, remove: random(2) * length, insert: pieceOf(other, length, random) });
    case 8:
      return random(3) === 0 ? bytes.slice(0, at) : spliced(bytes, { at, remove: 0, insert: new Uint8Array(length) });
    case 9:
      return spliced(bytes, { at, remove: 0, insert: repeated(bytes.subarray(at, at + 1 + random(8)), random) });
    default:
      return spliced(bytes, {
        at,
        remove: random(2) * random(8),
        insert: Buffer.from(words[random(words.length)] ?? "", "latin1"),
      });
  }
}

function set(bytes: Uint8Array, at: number, values: ArrayLike<number>): Uint8Array {
  const start = Math.max(0, Math.min(at, bytes.length - values.length));
  const copy = bytes.slice();
  if (start + values.length <= copy.length) copy.set(values, start);
  return copy;
}

function number(random: MutateOptions["random"]): Uint8Array {
  const pool = random(2) === 0 ? NUMBERS : LARGE;
  const value = pool[random(pool.length)] ?? 0n;
  const width = WIDTHS[random(WIDTHS.length)] ?? 4;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(width * 8, value));
  const field = bytes.subarray(0, width);
  return random(2) === 0 ? field : field.reverse();
}

function pieceOf(other: Uint8Array, length: number, random: MutateOptions["random"]): Uint8Array {
  const start = random(other.length + 1);
  return other.subarray(start, start + length);
}

/** What costs more than its length, if anything does. */
function repeated(piece: Uint8Array, random: MutateOptions["random"]): Uint8Array {
  const times = 1 << random(12);
  const bytes = new Uint8Array(piece.length * times);
  for (let time = 0; time < times; time += 1) bytes.set(piece, time * piece.length);
  return bytes;
}

function spliced(
  bytes: Uint8Array,
  { at, remove, insert }: { readonly at: number; readonly remove: number; readonly insert: Uint8Array },
): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + remove));
  const made = new Uint8Array(at + insert.length + rest.length);
  made.set(bytes.subarray(0, at));
  made.set(insert, at);
  made.set(rest, at + insert.length);
  return made;
}

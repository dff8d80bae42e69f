import { RiffleError } from "../../errors.ts";

const BLOCK_MAGIC = "314159265359";
const END_MAGIC = "177245385090";
const GROUP_SYMBOLS = 50;
const MAX_CODE_BITS = 20;

/**
 * Inflates bzip2 streams, one or several behind each other (https://en.wikipedia.org/wiki/Bzip2 describes the format). Output past
 * `limit`, and any block whose checksum does not hold, is `malformed`.
 */
export function bunzip2(bytes: Uint8Array, limit: number): Uint8Array {
  const out: Uint8Array[] = [];
  const bits = bitReader(bytes);
  let length = 0;
  while (bits.left() >= 32) {
    if (bits.take(24) !== 0x425a68) throw broken("it does not begin as one");
    const level = bits.take(8) - 0x30;
    if (level < 1 || level > 9) throw broken("its block size is none");
    for (;;) {
      const magic = bits.take(24).toString(16).padStart(6, "0") + bits.take(24).toString(16).padStart(6, "0");
      const checksum = bits.take(32);
      if (magic === END_MAGIC) break;
      if (magic !== BLOCK_MAGIC) throw broken("a block does not begin as one");
      const block = readBlock(bits, { size: level * 100_000, limit: limit - length });
      if (blockChecksum(block) !== checksum) throw broken("the checksum of a block does not hold");
      length += block.length;
      out.push(block);
    }
    bits.align();
  }
  return Buffer.concat(out, length);
}

function broken(why: string): RiffleError {
  return new RiffleError("malformed", `a bzip2 stream is broken: ${why}`);
}

interface BitReader {
  left(): number;
  take(count: number): number;
  align(): void;
}

function bitReader(bytes: Uint8Array): BitReader {
  let at = 0;
  return {
    left: () => bytes.length * 8 - at,
    take: (count) => {
      if (at + count > bytes.length * 8) throw broken("it is cut short");
      let value = 0;
      for (let left = count; left > 0;) {
        const part = Math.min(left, 8 - (at & 7));
        const byte = bytes[at >>> 3] ?? 0;
        value = value * 2 ** part + ((byte >>> (8 - (at & 7) - part)) & ((1 << part) - 1));
        at += part;
        left -= part;
      }
      return value;
    },
    align: () => {
      at = Math.ceil(at / 8) * 8;
    },
  };
}

function readBlock(bits: BitReader, { size, limit }: { readonly size: number; readonly limit: number }): Uint8Array {
  if (bits.take(1) === 1) throw broken("it is of the randomised kind, which nobody writes");
  const origin = bits.take(24);
  const used = readUsed(bits);
  const groups = bits.take(3);
  const selectors = readSelectors(bits, groups);
  const tables = Array.from({ length: groups }, () => readTable(bits, used.length + 2));
  const column = readSymbols(bits, { used, selectors, tables, size });
  if (origin >= column.length) throw broken("its first byte is none of its bytes");
  return expandRuns(invert(column, origin), limit);
}

function readUsed(bits: BitReader): readonly number[] {
  const ranges = bits.take(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range += 1) {
    if ((ranges & (0x8000 >>> range)) === 0) continue;
    const bytes = bits.take(16);
    for (let i = 0; i < 16; i += 1) if ((bytes & (0x8000 >>> i)) !== 0) used.push(range * 16 + i);
  }
  if (used.length === 0) throw broken("a block has no bytes");
  return used;
}

function readSelectors(bits: BitReader, groups: number): readonly number[] {
  const count = bits.take(15);
  if (groups < 2 || groups > 6 || count < 1) throw broken("a block has no tables");
  const order = Array.from({ length: groups }, (_, i) => i);
  return Array.from({ length: count }, () => {
    let at = 0;
    while (bits.take(1) === 1) at += 1;
    const [table] = order.splice(at, 1);
    if (table === undefined) throw broken("a block names a table that it does not have");
    order.unshift(table);
    return table;
  });
}

/** Canonical codes: of each length, the first code and where its symbols begin. */
interface CodeTable {
  readonly symbols: readonly number[];
  readonly first: readonly number[];
  readonly start: readonly number[];
  readonly count: readonly number[];
}

function readTable(bits: BitReader, size: number): CodeTable {
  const lengths: number[] = [];
  let length = bits.take(5);
  while (lengths.length < size) {
    while (bits.take(1) === 1) length += bits.take(1) === 1 ? -1 : 1;
    if (length < 1 || length > MAX_CODE_BITS) throw broken("a code has no length");
    lengths.push(length);
  }
  const first: number[] = [];
  const start: number[] = [];
  const count: number[] = [];
  const symbols: number[] = [];
  let code = 0;
  for (let each = 0; each <= MAX_CODE_BITS; each += 1) {
    const members = lengths.flatMap((one, symbol) => (one === each ? [symbol] : []));
    first.push(code);
    start.push(symbols.length);
    count.push(members.length);
    symbols.push(...members);
    code = (code + members.length) * 2;
  }
  return { symbols, first, start, count };
}

function readSymbol(bits: BitReader, { symbols, first, start, count }: CodeTable): number {
  let code = 0;
  for (let length = 1; length <= MAX_CODE_BITS; length += 1) {
    code = code * 2 + bits.take(1);
    const index = code - (first[length] ?? 0);
    if (index < (count[length] ?? 0) && index >= 0) return symbols[(start[length] ?? 0) + index] ?? 0;
  }
  throw broken("a code stands for nothing");
}

interface Coding {
  readonly used: readonly number[];
  readonly selectors: readonly number[];
  readonly tables: readonly CodeTable[];
  readonly size: number;
}

/** Undoes the Huffman codes, the run lengths of zeros and the moving to the front. */
function readSymbols(bits: BitReader, { used, selectors, tables, size }: Coding): Uint8Array {
  const front = [...used];
  const out = new Uint8Array(size);
  const end = used.length + 1;
  let length = 0;
  let run = 0;
  let weight = 1;
  const repeat = (byte: number, count: number): void => {
    if (length + count > size) throw broken("a block is longer than it may be");
    out.fill(byte, length, length + count);
    length += count;
  };
  for (let read = 0; ; read += 1) {
    const table = tables[selectors[Math.floor(read / GROUP_SYMBOLS)] ?? -1];
    if (table === undefined) throw broken("a block has more codes than it declares");
    const symbol = readSymbol(bits, table);
    if (symbol <= 1) {
      run += weight * (symbol + 1);
      weight *= 2;
      if (run > size) throw broken("a block is longer than it may be");
      continue;
    }
    if (run > 0) repeat(front[0] ?? 0, run);
    run = 0;
    weight = 1;
    if (symbol === end) return out.subarray(0, length);
    const [byte = 0] = front.splice(symbol - 1, 1);
    front.unshift(byte);
    repeat(byte, 1);
  }
}

/** Undoes the Burrows-Wheeler transform. */
function invert(column: Uint8Array, origin: number): Uint8Array {
  const starts = new Uint32Array(256);
  for (const byte of column) starts[byte] = (starts[byte] ?? 0) + 1;
  for (let byte = 0, sum = 0; byte < 256; byte += 1) {
    const count = starts[byte] ?? 0;
    starts[byte] = sum;
    sum += count;
  }
  const next = new Uint32Array(column.length);
  for (const [i, byte] of column.entries()) {
    const at = starts[byte] ?? 0;
    next[at] = i;
    starts[byte] = at + 1;
  }
  const out = new Uint8Array(column.length);
  for (let i = 0, at = next[origin] ?? 0; i < out.length; i += 1, at = next[at] ?? 0) out[i] = column[at] ?? 0;
  return out;
}

/** Four equal bytes are followed by the number of those that follow them. */
function expandRuns(bytes: Uint8Array, limit: number): Uint8Array {
  let total = 0;
  const walk = (visit: (byte: number, count: number) => void): void => {
    for (let i = 0, equal = 0, last = -1; i < bytes.length; i += 1) {
      const byte = bytes[i] ?? 0;
      if (equal === 4) {
        visit(last, byte);
        equal = 0;
        last = -1;
        continue;
      }
      equal = byte === last ? equal + 1 : 1;
      last = byte;
      visit(byte, 1);
    }
  };
  walk((_, count) => {
    total += count;
  });
  if (total > limit) throw broken(`it is longer than the ${limit} bytes that it may have`);
  const out = new Uint8Array(total);
  let at = 0;
  walk((byte, count) => {
    out.fill(byte, at, at + count);
    at += count;
  });
  return out;
}

/** CRC-32 with the highest bit first. */
function blockChecksum(bytes: Uint8Array): number {
  const table = Uint32Array.from({ length: 256 }, (_, i) => {
    let value = i << 24;
    for (let bit = 0; bit < 8; bit += 1) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
    return value >>> 0;
  });
  let sum = 0xffffffff;
  for (const byte of bytes) sum = ((sum << 8) ^ (table[((sum >>> 24) ^ byte) & 255] ?? 0)) >>> 0;
  return (sum ^ 0xffffffff) >>> 0;
}

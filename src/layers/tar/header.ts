import { numberField, textField, type Field } from "./fields.ts";

/** Headers, and the contents between them, are padded to blocks of this size. */
export const BLOCK_BYTES = 512;

/** One header block (POSIX.1-1988 ustar, the GNU and star variants of it, and what came before). */
export interface TarHeader {
  /** One character; NUL in archives older than the standard. */
  readonly type: string;
  readonly name: Uint8Array;
  readonly link: Uint8Array;
  /** Undefined where the field holds no number; not checked further. */
  readonly size: number | undefined;
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
}

const NAME: Field = { at: 0, bytes: 100 };
const MODE: Field = { at: 100, bytes: 8 };
const SIZE: Field = { at: 124, bytes: 12 };
const MTIME: Field = { at: 136, bytes: 12 };
const CHECKSUM: Field = { at: 148, bytes: 8 };
const TYPE_AT = 156;
const LINK: Field = { at: 157, bytes: 100 };
const MAGIC: Field = { at: 257, bytes: 8 };
const PREFIX: Field = { at: 345, bytes: 155 };
/** star keeps two times behind a shorter prefix and signs at the end. */
const STAR_PREFIX: Field = { at: 345, bytes: 131 };
const STAR_SIGN: Field = { at: 508, bytes: 4 };
/** GNU has no prefix, but two times in its place. */
const GNU_TIMES: readonly Field[] = [
  { at: 345, bytes: 12 },
  { at: 357, bytes: 12 },
];
const SPACE = 0x20;

export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** Whether it says of itself that it is a header, as all but the oldest do. */
export function hasTarMagic(block: Uint8Array): boolean {
  return latin1(block, { at: MAGIC.at, bytes: 5 }) === "ustar";
}

/** Undefined when the checksum does not hold: then it is no header. */
export function parseHeader(block: Uint8Array): TarHeader | undefined {
  if (block.length !== BLOCK_BYTES || !checksumHolds(block)) return undefined;
  const name = textField(block, NAME);
  const prefix = prefixOf(block);
  const mode = numberField(block, MODE) ?? 0;
  const mtime = numberField(block, MTIME) ?? 0;
  return {
    type: String.fromCharCode(block[TYPE_AT] ?? 0),
    name: prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from("/"), name]),
    link: textField(block, LINK),
    size: numberField(block, SIZE),
    mode: Number.isSafeInteger(mode) && mode >= 0 ? mode % 0o10000 : 0,
    mtime: Number.isSafeInteger(mtime) ? mtime : 0,
  };
}

function prefixOf(block: Uint8Array): Uint8Array {
  const magic = latin1(block, MAGIC);
  if (magic.startsWith("ustar\0")) return textField(block, latin1(block, STAR_SIGN) === "tar\0" ? STAR_PREFIX : PREFIX);
  // Some writers put a prefix into GNU headers all the same: then the times that lie there are no numbers.
  const isPrefixed = magic === "ustar  \0" && GNU_TIMES.some((field) => numberField(block, field) === undefined);
  const prefix = isPrefixed ? textField(block, PREFIX) : new Uint8Array(0);
  return prefix.every((byte) => byte < 0x80) ? prefix : new Uint8Array(0);
}

/** The sum of all bytes, those of the checksum taken as spaces; some old writers summed them as signed. */
function checksumHolds(block: Uint8Array): boolean {
  const wanted = numberField(block, CHECKSUM);
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    const isOwn = at >= CHECKSUM.at && at < CHECKSUM.at + CHECKSUM.bytes;
    const byte = isOwn ? SPACE : (block[at] ?? 0);
    unsigned += byte;
    signed += byte < 0x80 ? byte : byte - 0x100;
  }
  return wanted === unsigned || wanted === signed;
}

function latin1(block: Uint8Array, { at, bytes }: Field): string {
  return Buffer.from(block.buffer, block.byteOffset + at, bytes).toString("latin1");
}

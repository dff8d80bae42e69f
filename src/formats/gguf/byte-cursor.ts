import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";

/** Reads one field after the other. Past the end it gives zeros and empty texts, and `ended` tells. */
export interface ByteCursor {
  ended(): boolean;
  offset(): number;
  skip(bytes: number): void;
  uint32(): number;
  uint64(): number;
  /** A count, length or dimension: 64 bits, 32 in version 1. */
  length(): number;
  text(): string;
  skipText(): void;
  /** Undefined for types that are not of one size; `malformed` for unknown ones. */
  scalarBytes(type: number): number | undefined;
  /** 64-bit integers that a number does not hold exactly as text. */
  scalar(type: number): number | boolean | string | null;
}

/** By their numbers in the format; 8 is a text and 9 a list. */
const SCALARS = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  undefined,
  undefined,
  "u64",
  "i64",
  "f64",
] as const;
const WIDTHS = { u8: 1, i8: 1, bool: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, u64: 8, i64: 8, f64: 8 } as const;

export function byteCursor(
  bytes: Uint8Array,
  {
    start,
    littleEndian,
    isNarrow,
  }: { readonly start: number; readonly littleEndian: boolean; readonly isNarrow: boolean },
): ByteCursor {
  const view = viewOf(bytes);
  let at = start;
  let isOver = false;
  const take = (length: number): number => {
    if (at + length > bytes.length) isOver = true;
    const from = at;
    if (!isOver) at += length;
    return from;
  };
  const field = <T>(length: number, read: (offset: number) => T, none: T): T => {
    const from = take(length);
    return isOver ? none : read(from);
  };
  const uint32 = (): number => field(4, (offset) => view.getUint32(offset, littleEndian), 0);
  const uint64 = (): number => {
    const value = field(8, (offset) => view.getBigUint64(offset, littleEndian), 0n);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new RiffleError("malformed", `a count or offset of the GGUF header is ${value}, more than any file holds`);
    }
    return Number(value);
  };
  const length = isNarrow ? uint32 : uint64;
  const kindOf = (type: number): keyof typeof WIDTHS | undefined => {
    const kind = SCALARS[type];
    if (kind === undefined && type !== 8 && type !== 9 && !isOver) {
      throw new RiffleError("malformed", `the GGUF header has a value of type ${type}, which is not known`);
    }
    return kind;
  };
  const exact = (value: bigint): number | string =>
    Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  const readers = {
    u8: (o: number) => view.getUint8(o),
    i8: (o: number) => view.getInt8(o),
    bool: (o: number) => view.getUint8(o) !== 0,
    u16: (o: number) => view.getUint16(o, littleEndian),
    i16: (o: number) => view.getInt16(o, littleEndian),
    u32: (o: number) => view.getUint32(o, littleEndian),
    i32: (o: number) => view.getInt32(o, littleEndian),
    f32: (o: number) => view.getFloat32(o, littleEndian),
    u64: (o: number) => exact(view.getBigUint64(o, littleEndian)),
    i64: (o: number) => exact(view.getBigInt64(o, littleEndian)),
    f64: (o: number) => view.getFloat64(o, littleEndian),
  } as const;
  return {
    ended: () => isOver,
    offset: () => at,
    skip: (count) => void take(count),
    uint32,
    uint64,
    length,
    text: () => {
      const size = length();
      return field(size, (offset) => new TextDecoder().decode(bytes.subarray(offset, offset + size)), "");
    },
    skipText: () => void take(length()),
    scalarBytes: (type) => {
      const kind = kindOf(type);
      return kind === undefined ? undefined : WIDTHS[kind];
    },
    scalar: (type) => {
      const kind = kindOf(type);
      return kind === undefined ? null : field<number | boolean | string | null>(WIDTHS[kind], readers[kind], null);
    },
  };
}

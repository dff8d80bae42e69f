import { isUtf8 } from "node:buffer";
import { RiffleError } from "../errors.ts";

/** A view of exactly these bytes, wherever in their buffer they lie. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes from `start` as Latin-1: a magic, a tag, a name that is ASCII by its format. */
export function latin1(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1", start, end);
}

/** An unsigned 64-bit field. No file is longer than a safe integer says, so larger values are `malformed`. */
export function uint64(view: DataView, offset: number, littleEndian: boolean): number {
  const value = view.getBigUint64(offset, littleEndian);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new RiffleError("malformed", `a 64-bit field holds ${value}, which no file is as long as`);
}

/** The text, a byte order mark kept; undefined where it is not valid UTF-8. */
export function validUtf8(bytes: Uint8Array): string | undefined {
  // Many times faster than a TextDecoder for the many short names of an index.
  if (!isUtf8(bytes)) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

import type { Data } from "apache-arrow";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";

/** Throws when a buffer is too short for the rows that it is to hold. */
export function checkBytes(bytes: Uint8Array, needed: number): void {
  if (bytes.length < needed)
    throw new RiffleError("malformed", `a buffer of ${bytes.length} bytes where ${needed} are needed`);
}

/** Offsets begin at 0 or above, never fall, and end inside of what they point into. */
export function checkOffsets(
  offsets: Int32Array | BigInt64Array,
  { length, limit }: { length: number; limit: number },
): void {
  let last = Number(offsets[0] ?? 0);
  let isSound = last >= 0;
  for (let row = 1; row <= length && isSound; row++) {
    const next = Number(offsets[row]);
    isSound = next >= last;
    last = next;
  }
  if (!isSound || last > limit) throw new RiffleError("malformed", "offsets that fall, or lead out of their buffer");
}

interface Rows {
  readonly length: number;
  readonly isValid: (row: number) => boolean;
}

/** Indices of rows that are not null lie in the dictionary. */
export function checkIndices(indices: ArrayBufferView, { length, limit, isValid }: Rows & { limit: number }): void {
  const values = indices as unknown as ArrayLike<number | bigint>;
  for (let row = 0; row < length; row++) {
    const index = Number(values[row]);
    if ((index < 0 || index >= limit) && isValid(row)) {
      throw new RiffleError("malformed", `index ${index} of a dictionary of ${limit} values`);
    }
  }
}

/** Views longer than 12 bytes lie in one of the buffers behind them. */
export function checkViews(
  views: Uint8Array,
  { length, buffers, isValid }: Rows & { buffers: readonly Uint8Array[] },
): void {
  const fields = viewOf(views);
  for (let row = 0; row < length; row++) {
    const size = fields.getInt32(row * 16, true);
    if (size >= 0 && size <= 12) continue;
    const buffer = buffers[fields.getInt32(row * 16 + 8, true)];
    const start = fields.getInt32(row * 16 + 12, true);
    if ((buffer === undefined || size < 0 || start < 0 || start + size > buffer.length) && isValid(row)) {
      throw new RiffleError("malformed", "a view that leads out of its buffer");
    }
  }
}

interface UnionRows {
  readonly length: number;
  /** By type id. */
  readonly places: Readonly<Record<number, number>>;
  readonly offsets: Int32Array | undefined;
  readonly children: readonly Data[];
}

/** Every row names a member, and a row of it. */
export function checkUnion(typeIds: Int8Array, { length, places, offsets, children }: UnionRows): void {
  if (typeIds.length < length) throw new RiffleError("malformed", "a union with fewer types than rows");
  for (let row = 0; row < length; row++) {
    const place = places[typeIds[row] ?? -1];
    const inner = offsets === undefined ? row : (offsets[row] ?? -1);
    if (place === undefined || inner < 0 || inner >= (children[place]?.length ?? 0)) {
      throw new RiffleError("malformed", "a union that names a member, or a row, that is not there");
    }
  }
}

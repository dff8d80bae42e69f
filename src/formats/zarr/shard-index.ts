import type { ByteRange } from "../../bytes/range.ts";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import type { ShardLayout } from "./pipeline.ts";

/** Where the chunks of one shard lie; undefined for those that are not stored. */
export type ShardIndex = (chunk: number) => ByteRange | undefined;

const MISSING = 0xffffffffffffffffn;

/** Where the index of a shard of `size` bytes lies. Throws `malformed` for a shard that is too short for one. */
export function indexRange({ indexBytes, isIndexAtStart }: ShardLayout, size: number): ByteRange {
  if (size < indexBytes) {
    throw new RiffleError("malformed", `a Zarr shard of ${size} bytes is too short for its index of ${indexBytes}`);
  }
  return isIndexAtStart ? { start: 0, end: indexBytes } : { start: size - indexBytes, end: size };
}

/** Checks the checksum at once, and ranges as they are asked for: `malformed` where they leave the shard. */
export async function readIndex(
  bytes: Uint8Array,
  { layout, size }: { readonly layout: ShardLayout; readonly size: number },
): Promise<ShardIndex> {
  const view = viewOf(await layout.decodeIndex(bytes));
  return (chunk) => {
    const offset = view.getBigUint64(chunk * 16, !layout.isIndexBigEndian);
    const length = view.getBigUint64(chunk * 16 + 8, !layout.isIndexBigEndian);
    if (offset === MISSING && length === MISSING) return undefined;
    if (offset + length > BigInt(size))
      throw new RiffleError("malformed", "a chunk of a Zarr shard would end behind it");
    return { start: Number(offset), end: Number(offset + length) };
  };
}

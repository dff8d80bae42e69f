import type { RangeSource } from "../bytes/source.ts";
import { HEAD_BYTES } from "./first-bytes.ts";
import type { FormatOptions } from "./format.ts";

/** The beginning of a file, as far as its index turned out to reach. */
export interface Head {
  readonly bytes: Uint8Array;
  /** At least the first `length` bytes of the file, or all of it. */
  extend(length: number): Promise<Head>;
}

/** One request; each `extend` past it is one more, for what is missing. */
export async function readHead(source: RangeSource, options: FormatOptions = {}): Promise<Head> {
  const how = { priority: "metadata" as const, ...options };
  const headOf = (bytes: Uint8Array): Head => ({
    bytes,
    extend: async (length) => {
      const end = Math.min(length, source.size);
      if (end <= bytes.length) return headOf(bytes);
      return headOf(Buffer.concat([bytes, await source.read({ start: bytes.length, end }, how)]));
    },
  });
  return headOf(await source.read({ start: 0, end: Math.min(source.size, HEAD_BYTES) }, how));
}

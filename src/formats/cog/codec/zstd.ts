import { RiffleError } from "../../../errors.ts";

/** Exactly `length` bytes. Throws `malformed` when the frames hold more, fewer, or are damaged. */
export async function decodeZstd(input: Uint8Array, length: number): Promise<Uint8Array> {
  const { ZSTDDecoder } = await import("zstddec");
  const decoder = new ZSTDDecoder();
  await decoder.init();
  // the package gives a slice of a wrong length where zstd gives an error code
  const output = decoder.decode(input, length);
  if (output.length !== length) {
    throw new RiffleError("malformed", `a zstd stream is damaged, or does not hold the ${length} bytes that it should`);
  }
  return output;
}

import type { ZSTDDecoder } from "zstddec";
import { RiffleError } from "../../errors.ts";
import { viewOf } from "../binary.ts";
import { decodeLz4Frame } from "./lz4-frame.ts";
import type { Codec } from "./message.ts";

const PREFIX_BYTES = 8;
/** What the wasm decoder takes is doubled in its memory, which ends at 2 GiB and does not say so. */
const MAX_ZSTD_BYTES = 512 * 1024 * 1024;
/** Message.fbs: a length of -1 says that the buffer is as it was. */
const AS_IT_IS = -1n;

export type Decompress = (buffer: Uint8Array) => Uint8Array;

export interface DecompressOptions {
  readonly codec: Codec;
  /** The most bytes of the buffers of one batch together. */
  readonly maxBytes: number;
}

/** A function for the buffers of one batch. It throws `malformed` for what does not decode, `unsupported` above `maxBytes`. */
export async function decompressor({ codec, maxBytes }: DecompressOptions): Promise<Decompress> {
  if (codec === "none") return (buffer) => buffer;
  const zstd = codec === "zstd" ? await zstdDecoder() : undefined;
  let left = maxBytes;
  return (buffer) => {
    if (buffer.length === 0) return buffer;
    if (buffer.length < PREFIX_BYTES) throw new RiffleError("malformed", "a compressed buffer without its length");
    const declared = viewOf(buffer).getBigInt64(0, true);
    const content = buffer.subarray(PREFIX_BYTES);
    if (declared === AS_IT_IS) return content;
    if (declared < 0n) throw new RiffleError("malformed", `a compressed buffer of ${declared} bytes`);
    if (declared > BigInt(left)) {
      throw new RiffleError("unsupported", `a record batch of more than ${maxBytes} bytes when decompressed`);
    }
    const size = Number(declared);
    if (zstd !== undefined && Math.max(size, content.length) > MAX_ZSTD_BYTES) {
      throw new RiffleError("unsupported", `a zstd buffer of ${size} bytes: more than 512 MiB`);
    }
    left -= size;
    return zstd === undefined ? decodeLz4Frame(content, size) : decodeZstd(zstd, { content, size });
  };
}

async function zstdDecoder(): Promise<ZSTDDecoder> {
  const { ZSTDDecoder: Decoder } = await import("zstddec");
  const decoder = new Decoder();
  await decoder.init();
  return decoder;
}

function decodeZstd(decoder: ZSTDDecoder, { content, size }: { content: Uint8Array; size: number }): Uint8Array {
  let output: Uint8Array | undefined;
  try {
    output = decoder.decode(content, size);
  } catch (error) {
    throw new RiffleError("malformed", "a zstd frame that does not decode", { cause: error });
  }
  if (output.length === size) return output;
  throw new RiffleError("malformed", `a zstd frame that does not hold the ${size} bytes that it should`);
}

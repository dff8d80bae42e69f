import { promisify } from "node:util";
import { constants, createInflate, inflate } from "node:zlib";
import { once } from "node:events";
import { RiffleError } from "../../../errors.ts";

const inflateAll = promisify(inflate);

/**
 * A zlib stream, its checksum verified where the stream is whole. Gives `length` bytes at most; fewer when the input ends
 * early. Decoded off the main thread.
 */
export async function decodeDeflate(input: Uint8Array, length: number): Promise<Uint8Array> {
  try {
    return await inflateAll(input, {
      chunkSize: Math.max(64, length + 1),
      maxOutputLength: Math.max(64, length + 1),
      // a stream without its end still gives what it has; the length tells
      finishFlush: constants.Z_SYNC_FLUSH,
    });
  } catch (error) {
    if (codeOf(error) === "ERR_BUFFER_TOO_LARGE") return inflateFirst(input, length);
    throw new RiffleError(
      "malformed",
      `a deflate stream is damaged (${error instanceof Error ? error.message : "?"})`,
      {
        cause: error,
      },
    );
  }
}

/** For a last strip that was written whole: only the first `length` bytes count. */
async function inflateFirst(input: Uint8Array, length: number): Promise<Uint8Array> {
  const stream = createInflate();
  const output = new Uint8Array(length);
  let written = 0;
  stream.on("data", (chunk: Uint8Array) => {
    output.set(chunk.subarray(0, length - written), written);
    written = Math.min(length, written + chunk.length);
    if (written === length) stream.destroy();
  });
  const closed = once(stream, "close");
  stream.end(input);
  try {
    await closed;
  } catch (error) {
    throw new RiffleError("malformed", "a deflate stream is damaged", { cause: error });
  }
  return output.subarray(0, written);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

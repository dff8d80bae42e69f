import { once } from "node:events";
import { promisify } from "node:util";
import { constants, createInflate, inflate } from "node:zlib";
import { RiffleError } from "../../../errors.ts";

const inflateAll = promisify(inflate);

/** Longer ones are inflated in steps: `zlib` joins its buffers in the end, and so takes twice the length. */
const STEPWISE_BYTES = 16 * 1024 * 1024;
const STEP_BYTES = 1024 * 1024;

/**
 * A zlib stream, its checksum verified where the stream is whole. Gives `length` bytes at most; fewer when the input ends
 * early. Decoded off the main thread. Throws `malformed`.
 */
export async function decodeDeflate(input: Uint8Array, length: number): Promise<Uint8Array> {
  if (length > STEPWISE_BYTES) return inflateStepwise(input, length);
  const room = Math.max(64, length + 1);
  try {
    // a stream without its end still gives what it has; the length tells
    return await inflateAll(input, { chunkSize: room, maxOutputLength: room, finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    if (codeOf(error) === "ERR_BUFFER_TOO_LARGE") return inflateStepwise(input, length);
    throw damaged(error);
  }
}

/** What goes on behind `length` bytes, as in a last strip that was written whole, is not looked at. */
async function inflateStepwise(input: Uint8Array, length: number): Promise<Uint8Array> {
  const stream = createInflate({ chunkSize: STEP_BYTES, finishFlush: constants.Z_SYNC_FLUSH });
  const output = new Uint8Array(length);
  let written = 0;
  stream.on("data", (chunk: Uint8Array) => {
    output.set(chunk.subarray(0, length - written), written);
    written += chunk.length;
    if (written > length) stream.destroy();
  });
  const closed = once(stream, "close");
  stream.end(input);
  try {
    await closed;
  } catch (error) {
    throw damaged(error);
  }
  return output.subarray(0, Math.min(written, length));
}

function damaged(error: unknown): RiffleError {
  const why = error instanceof Error ? error.message : "?";
  return new RiffleError("malformed", `a deflate stream is damaged (${why})`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

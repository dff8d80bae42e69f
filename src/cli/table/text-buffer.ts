import { finished } from "node:stream/promises";
import type { Writable } from "node:stream";
import { OutputClosed } from "../output.ts";

/** Where bytes go: resolves when more may be given. Rejects with OutputClosed when nobody reads any more. */
export interface ByteOutput {
  bytes(bytes: Uint8Array): Promise<void>;
}

const FLUSH_CHARACTERS = 64 * 1024;

/** Text gathered into larger writes, so that a row costs no system call. At most 64 KiB and one row are held. */
export interface TextBuffer {
  /** Undefined when nothing has to be waited for. */
  add(text: string): Promise<void> | undefined;
  flush(): Promise<void>;
}

export function textBuffer(output: ByteOutput): TextBuffer {
  let parts: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    if (parts.length === 0) return;
    const bytes = Buffer.from(parts.join(""));
    parts = [];
    length = 0;
    await output.bytes(bytes);
  };
  return {
    add: (text) => {
      parts.push(text);
      length += text.length;
      return length < FLUSH_CHARACTERS ? undefined : flush();
    },
    flush,
  };
}

/** A Node stream as an output: waits while its buffer is full. `end` resolves when everything has left it. */
export function streamOutput(stream: Writable): ByteOutput & { end(): Promise<void> } {
  const done = finished(stream, { readable: false });
  // Looked at in `failed` and `end`; a failure between two writes must not be an unhandled rejection.
  done.catch(() => undefined);
  const failed = async (error: unknown): Promise<never> => {
    if (error instanceof Error && (error as NodeJS.ErrnoException).code === "EPIPE") throw new OutputClosed();
    throw error;
  };
  return {
    bytes: async (bytes) => {
      if (stream.destroyed) return done.then(() => Promise.reject(new OutputClosed()), failed);
      if (stream.write(bytes)) return undefined;
      const drained = new Promise<void>((resolve) => stream.once("drain", resolve));
      return Promise.race([drained, done]).catch(failed);
    },
    end: async () => {
      stream.end();
      await done.catch(failed);
    },
  };
}

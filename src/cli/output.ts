import { write as writeCallback, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { terminalText } from "./terminal-text.ts";

const write = promisify(writeCallback);
const BUFFER_BYTES = 64 * 1024;
const BUSY_WAIT_MS = 5;

/** The reader of our output has left: nothing is wrong, and nothing more is to be said. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "EAGAIN";
}

/** All bytes to a descriptor, also one that its other owner made non-blocking. Throws OutputClosed when nobody reads. */
async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += (await write(fd, bytes, done, bytes.length - done, null)).bytesWritten;
    } catch (error) {
      if (isBusy(error)) await delay(BUSY_WAIT_MS);
      else if (error instanceof Error && (error as NodeJS.ErrnoException).code === "EPIPE") throw new OutputClosed();
      else throw error;
    }
  }
}

export interface Output {
  readonly isTerminal: boolean;
  /** Buffered; in order; without control characters where it is a terminal. Rejects with OutputClosed once the reader is gone. */
  line(text: string): Promise<void>;
  bytes(bytes: Uint8Array): Promise<void>;
  flush(): Promise<void>;
}

/** Results. Written in the thread pool, so that a slow reader stops this command and not its transfers' timers. */
export function createOutput(fd: number): Output {
  let pending: string[] = [];
  let length = 0;
  const flush = async (): Promise<void> => {
    const text = pending.join("");
    pending = [];
    length = 0;
    if (text !== "") await writeAll(fd, Buffer.from(text));
  };
  const isTerminal = isatty(fd);
  return {
    isTerminal,
    line: async (text) => {
      pending.push(isTerminal ? terminalText(text) : text, "\n");
      length += text.length + 1;
      if (length >= BUFFER_BYTES) await flush();
    },
    bytes: async (bytes) => {
      await flush();
      await writeAll(fd, bytes);
    },
    flush,
  };
}

export interface Notes {
  readonly isTerminal: boolean;
  /** At once; never throws: there is nowhere to say that stderr is gone. */
  write(text: string): void;
}

export function createNotes(fd: number): Notes {
  return {
    isTerminal: isatty(fd),
    write: (text) => {
      try {
        writeSync(fd, text);
      } catch {
        // A closed or full stderr must not fail the command.
      }
    },
  };
}

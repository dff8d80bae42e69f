import { closeSync, constants, fchmodSync, fstatSync, openSync, write } from "node:fs";
import { promisify } from "node:util";
import { RiffleError } from "../errors.ts";
import { Trace, type TraceEvent } from "../fetch/trace.ts";

const writeBytes = promisify(write);

/** Written at once when so much has gathered, and after so long whatever has. */
const FLUSH_CHARACTERS = 64 * 1024;
const FLUSH_MS = 100;
/** What a disk that hangs may make us hold; events beyond it are counted and left out. */
const MAX_HELD_CHARACTERS = 8 * 1024 * 1024;

export interface TraceFile extends AsyncDisposable {
  readonly trace: Trace;
  /** Resolves when all that was told is written, as far as the disk takes it. */
  close(): Promise<void>;
}

export interface TraceFileOptions {
  readonly errnoOf?: (error: unknown) => string;
  /** Told once when the file takes no more. */
  readonly warn: (message: string) => void;
}

/** A trace as JSON lines at the end of `path`, mode 0600. Throws `disk` or `permission` when it cannot be opened. */
export function openTraceFile(path: string, options: TraceFileOptions): TraceFile {
  const lines = new LineFile(openPrivate(path), path, options.warn);
  const trace = new Trace({
    write: (t, event: TraceEvent) => lines.add(JSON.stringify({ t, ...event })),
    ...(options.errnoOf === undefined ? {} : { errnoOf: options.errnoOf }),
  });
  const close = (): Promise<void> => lines.close();
  return { trace, close, [Symbol.asyncDispose]: close };
}

function openPrivate(path: string): number {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: number;
  try {
    file = openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (cause) {
    throw new RiffleError("disk", `cannot open the trace file ${path}`, {
      hint: "name a file in a folder that you can write to, and no symbolic link",
      cause,
    });
  }
  const found = fstatSync(file);
  const isOurs = process.getuid === undefined || found.uid === process.getuid();
  if (found.isFile() && isOurs) {
    fchmodSync(file, 0o600);
    return file;
  }
  closeSync(file);
  throw new RiffleError("permission", `the trace file ${path} is not a file of yours`, { hint: "name another" });
}

/** Lines that are written in order, in the background, and dropped rather than gathered without end. */
class LineFile {
  readonly #file: number;
  readonly #path: string;
  readonly #warn: (message: string) => void;
  #held: string[] = [];
  #characters = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;
  #isBroken = false;
  #isClosed = false;

  constructor(file: number, path: string, warn: (message: string) => void) {
    this.#file = file;
    this.#path = path;
    this.#warn = warn;
  }

  add(line: string): void {
    if (this.#isBroken || this.#isClosed) return;
    if (this.#characters + line.length > MAX_HELD_CHARACTERS) {
      this.#dropped += 1;
      return;
    }
    this.#held.push(line, "\n");
    this.#characters += line.length + 1;
    if (this.#characters >= FLUSH_CHARACTERS) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.#writing;
    this.#flush();
    this.#isClosed = true;
    await this.#writing;
    closeSync(this.#file);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // What comes meanwhile is written after.
    if (!this.#isWriting && this.#held.length > 0) this.#writing = this.#write();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#held.length > 0) {
        if (this.#dropped > 0) this.#held.push(`{"type":"dropped","count":${this.#dropped}}\n`);
        this.#dropped = 0;
        const bytes = Buffer.from(this.#held.join(""));
        this.#held = [];
        this.#characters = 0;
        for (let at = 0; at < bytes.length;)
          at += (await writeBytes(this.#file, bytes, at, bytes.length - at, null)).bytesWritten;
      }
    } catch {
      this.#isBroken = true;
      this.#held = [];
      this.#warn(`the trace file ${this.#path} takes no more: the trace ends here`);
    }
    this.#isWriting = false;
  }
}

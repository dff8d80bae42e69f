import { writevSync } from "node:fs";
import { constants } from "node:os";
import { abortError, isRiffleError } from "../errors.ts";
import type { Served } from "../artifact/served.ts";
import { ROW_LIVE, type Row } from "../layers/tree.ts";
import type { BackingFiles } from "./backing-files.ts";
import type { LogLevel } from "./backend.ts";
import type { DeviceMessage } from "./device-messages.ts";
import { errnoOf } from "./errno.ts";
import type { Handler } from "./exchange.ts";
import { createHandler } from "./handler.ts";
import { decideOpen, OpenTable, type OpenMode, type OpenRules } from "./open-modes.ts";
import {
  FOPEN,
  getU32,
  getU64,
  IN_HEADER_BYTES,
  MAX_READ_BYTES,
  OP,
  OPEN_OUT_BYTES,
  OUT_HEADER_BYTES,
  putU32,
  putU64,
  REQUEST_BUFFER_BYTES,
} from "./protocol.ts";
import { nodeOf, rowOf, type TreeTotals, type TreeView } from "./tree-view.ts";

const { errno } = constants;

/** O_ACCMODE: the bits of an open's flags that ask for writing. */
const ACCESS_MODE = 3;
/** An INTERRUPT may come before the request it speaks of; the kernel is asked to send it again, after this. */
const INTERRUPT_RETRY_MILLISECONDS = 5;
/** A file that changes is small by its nature; what is longer is cut off. */
const LIVE_BYTES_MAX = 16 * 1_048_576;

const MODE_FLAGS: Readonly<Record<OpenMode, number>> = {
  direct: FOPEN.DIRECT_IO,
  keep: FOPEN.KEEP_CACHE,
  cached: 0,
  passthrough: FOPEN.PASSTHROUGH,
};

export interface KernelSessionOptions {
  readonly device: number;
  readonly served: Served;
  readonly view: TreeView;
  readonly totals: TreeTotals;
  readonly rules: OpenRules;
  readonly backing: BackingFiles | undefined;
  readonly log: (level: LogLevel, message: string) => void;
}

interface OpenFile {
  readonly row: Row;
  /** The content of a file that changes, as it was at its open. */
  readonly snapshot?: Uint8Array;
}

/** The main thread's part of a mount: opens, cold reads and what changes. Answers the device by itself. */
export class KernelSession {
  readonly #options: KernelSessionOptions;
  readonly #handler: Handler;
  readonly #request = new Uint8Array(REQUEST_BUFFER_BYTES);
  readonly #reply = new Uint8Array(OUT_HEADER_BYTES + MAX_READ_BYTES);
  readonly #opens = new OpenTable();
  readonly #files = new Map<number, OpenFile>();
  readonly #waiting = new Map<number, AbortController>();
  #lastHandle = 0;
  #passthrough = false;
  #ended = false;

  constructor(options: KernelSessionOptions) {
    this.#options = options;
    this.#handler = createHandler({
      view: options.view,
      totals: options.totals,
      request: this.#request,
      reply: this.#reply,
      live: {
        size: (row) => options.served.liveSize(row),
        xattr: (row, name) => options.served.liveXattr(row, name),
      },
    });
  }

  /** True once a file was opened so that the kernel reads it alone. */
  get passthrough(): boolean {
    return this.#passthrough;
  }

  receive(message: DeviceMessage): void {
    switch (message.kind) {
      case "read":
        void this.#read(message);
        break;
      case "touch":
        this.#options.served.touched(message.row, { start: message.start, end: message.end }, message.handle);
        break;
      case "request":
        void this.#answer(message.bytes);
        break;
      case "fault":
        this.#options.log("error", `fuse request ${message.opcode}: ${message.message}`);
        break;
      case "ready":
      case "end":
        break;
    }
  }

  /** The device is gone: nobody waits any more, nothing is open, and its number may soon be another file's. */
  end(): void {
    this.#ended = true;
    for (const waiter of this.#waiting.values()) waiter.abort(abortError());
    for (const handle of this.#files.keys()) {
      try {
        this.#release(handle);
      } catch (error) {
        this.#options.log("error", `release of an open file: ${String(error)}`);
      }
    }
  }

  async #read(read: Extract<DeviceMessage, { kind: "read" }>): Promise<void> {
    const { unique, row, start, end, handle } = read;
    const snapshot = this.#files.get(handle)?.snapshot;
    if (snapshot !== undefined) {
      this.#send(unique, 0, snapshot.subarray(start, end));
      return;
    }
    await this.#waitFor(unique, async (signal) => {
      const bytes = await this.#options.served.read(row, { start, end }, { handle, signal });
      if (bytes.length !== end - start)
        throw new Error(`a read of ${end - start} bytes came back with ${bytes.length}`);
      return bytes;
    });
  }

  /** Sends what `job` gives, or the errno of its failure; an INTERRUPT of `unique` aborts its signal. */
  async #waitFor(unique: number, job: (signal: AbortSignal) => Promise<Uint8Array>): Promise<boolean> {
    const controller = new AbortController();
    this.#waiting.set(unique, controller);
    try {
      const body = await job(controller.signal);
      this.#waiting.delete(unique);
      return this.#send(unique, 0, body);
    } catch (error) {
      this.#waiting.delete(unique);
      // What is served says why it failed; what is left is ours.
      const level = controller.signal.aborted || isRiffleError(error) ? "debug" : "warn";
      this.#options.log(level, `read failed: ${error instanceof Error ? error.message : String(error)}`);
      this.#send(unique, controller.signal.aborted ? errno.EINTR : errnoOf(error));
      return false;
    }
  }

  async #answer(bytes: Uint8Array): Promise<void> {
    const input = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const unique = getU64(input, 8);
    try {
      switch (getU32(input, 4)) {
        case OP.OPEN:
          await this.#open(unique, input);
          break;
        case OP.RELEASE:
          if (bytes.length >= IN_HEADER_BYTES + 8) this.#release(getU64(input, IN_HEADER_BYTES));
          this.#send(unique, 0);
          break;
        case OP.INTERRUPT:
          if (bytes.length >= IN_HEADER_BYTES + 8) this.#interrupt(unique, getU64(input, IN_HEADER_BYTES));
          break;
        default:
          this.#answerHere(unique, bytes);
      }
    } catch (error) {
      this.#options.log("error", `fuse request ${getU32(input, 4)}: ${String(error)}`);
      this.#send(unique, errnoOf(error));
    }
  }

  #answerHere(unique: number, bytes: Uint8Array): void {
    this.#request.set(bytes);
    const length = this.#handler.handle(bytes.length);
    if (length <= 0) this.#send(unique, errno.ENOSYS);
    else this.#write([this.#reply.subarray(0, length)]);
  }

  async #open(unique: number, input: DataView): Promise<void> {
    const { served, view } = this.#options;
    const row = rowOf(view, getU64(input, 16));
    const flags = input.byteLength >= IN_HEADER_BYTES + 8 ? getU32(input, IN_HEADER_BYTES) : 0;
    if ((flags & ACCESS_MODE) !== 0) {
      this.#send(unique, errno.EROFS);
      return;
    }
    const handle = (this.#lastHandle += 1);
    const live = (view.tree.flags(row) & ROW_LIVE) !== 0;
    const grant = served.open(row, handle);
    const mode = this.#enter(row, { grant: grant.kind, live, ...(grant.fd === undefined ? {} : { fd: grant.fd }) });
    this.#files.set(handle, { row });
    const opened = await this.#waitFor(unique, async (signal) => {
      if (live) {
        const size = Math.min(served.liveSize(row), LIVE_BYTES_MAX);
        const snapshot = await served.read(row, { start: 0, end: size }, { handle, signal });
        this.#files.set(handle, { row, snapshot });
      }
      return openOut(handle, mode, this.#opens.get(nodeOf(view, row))?.backingId);
    });
    // Nobody took the open, so no RELEASE will come.
    if (!opened) this.#release(handle);
  }

  /** Counts one more open of the row's inode and says how the kernel is to treat it. */
  #enter(row: Row, open: { grant: "direct" | "keep" | "backed"; live: boolean; fd?: number }): OpenMode {
    const inode = nodeOf(this.#options.view, row);
    const decision = decideOpen({ ...open, opens: this.#opens.get(inode) }, this.#options.rules);
    if (decision.kind === "join") {
      this.#opens.add(inode, decision.opens.mode, decision.opens.backingId);
      return decision.opens.mode;
    }
    if (decision.kind === "back") {
      const id = open.fd === undefined ? undefined : this.#options.backing?.open(open.fd);
      this.#opens.add(inode, id === undefined ? decision.otherwise : "passthrough", id);
      if (id !== undefined) this.#passthrough = true;
      return id === undefined ? decision.otherwise : "passthrough";
    }
    this.#opens.add(inode, decision.mode);
    return decision.mode;
  }

  #release(handle: number): void {
    const file = this.#files.get(handle);
    if (file === undefined) return;
    this.#files.delete(handle);
    const unused = this.#opens.remove(nodeOf(this.#options.view, file.row));
    if (unused !== undefined) this.#options.backing?.close(unused);
    this.#options.served.release(file.row, handle);
  }

  #interrupt(unique: number, target: number): void {
    const waiter = this.#waiting.get(target);
    if (waiter !== undefined) waiter.abort(abortError());
    else setTimeout(() => this.#send(unique, errno.EAGAIN), INTERRUPT_RETRY_MILLISECONDS);
  }

  #send(unique: number, positiveErrno: number, body?: Uint8Array): boolean {
    const header = new Uint8Array(OUT_HEADER_BYTES);
    const view = new DataView(header.buffer);
    putU32(view, 0, OUT_HEADER_BYTES + (body?.length ?? 0));
    view.setInt32(4, -positiveErrno, true);
    putU64(view, 8, unique);
    return this.#write(body === undefined || body.length === 0 ? [header] : [header, body]);
  }

  /** False when nobody waits for the reply any more. */
  #write(parts: readonly Uint8Array[]): boolean {
    if (this.#ended) return false;
    try {
      writevSync(this.#options.device, parts);
      return true;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "ENOENT" && code !== "ENODEV")
        this.#options.log("error", `no reply to the kernel: ${String(error)}`);
      return false;
    }
  }
}

/** struct fuse_open_out. */
function openOut(handle: number, mode: OpenMode, backingId: number | undefined): Uint8Array {
  const body = new Uint8Array(OPEN_OUT_BYTES);
  const view = new DataView(body.buffer);
  putU64(view, 0, handle);
  putU32(view, 8, MODE_FLAGS[mode]);
  putU32(view, 12, mode === "passthrough" ? (backingId ?? 0) : 0);
  return body;
}

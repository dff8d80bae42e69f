import { readSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { WarmReader } from "../cache/warm-reader.ts";
import { openTree } from "../layers/tree-table.ts";
import { REQUESTS_COUNTER, type DeviceMessage, type DeviceThreadData } from "./device-messages.ts";
import { DEFERRED, type Handler } from "./exchange.ts";
import { createHandler } from "./handler.ts";
import { getU32, getU64, MAX_READ_BYTES, OP, OUT_HEADER_BYTES, putU32, REQUEST_BUFFER_BYTES } from "./protocol.ts";

/** What a thread reads into and answers from; the devices of one thread share it. */
export interface DeviceBuffers {
  readonly request: Uint8Array;
  readonly reply: Uint8Array;
  readonly input: DataView;
  readonly output: DataView;
}

export function deviceBuffers(): DeviceBuffers {
  const request = new Uint8Array(REQUEST_BUFFER_BYTES);
  const reply = new Uint8Array(OUT_HEADER_BYTES + MAX_READ_BYTES);
  return { request, reply, input: new DataView(request.buffer), output: new DataView(reply.buffer) };
}

/**
 * - `served`: one request was taken
 * - `empty`: there was none, on a device that does not block
 * - anything else: the code of the error that ended the device
 */
export type DeviceStep = "served" | "empty" | (string & {});

/** Reads requests of one device and answers what this thread can by itself; `tell` gets the others. */
export class DeviceService {
  readonly #data: DeviceThreadData;
  readonly #buffers: DeviceBuffers;
  readonly #tell: (message: DeviceMessage) => void;
  readonly #counters: Float64Array;
  readonly #handler: Handler;

  constructor(
    data: DeviceThreadData,
    options: {
      readonly buffers: DeviceBuffers;
      /** This thread's number among the readers of the cache. */
      readonly reader: number;
      readonly tell: (message: DeviceMessage) => void;
    },
  ) {
    this.#data = data;
    this.#buffers = options.buffers;
    this.#tell = options.tell;
    this.#counters = new Float64Array(data.counters);
    const { request, reply } = options.buffers;
    this.#handler = createHandler({
      view: { tree: openTree(data.tree), rootRow: data.rootRow, uid: data.uid, gid: data.gid, umask: data.umask },
      totals: data.totals,
      request,
      reply,
      counters: this.#counters,
      ...(data.warm === undefined
        ? {}
        : { warm: { reader: new WarmReader(data.warm, options.reader), slots: new Int32Array(data.slots) } }),
    });
  }

  /** One request; waits for it where the device does. */
  step(): DeviceStep {
    let received: number;
    try {
      received = readSync(this.#data.device, this.#buffers.request, 0, REQUEST_BUFFER_BYTES, null);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EAGAIN") return "empty";
      // ENOENT: the request was withdrawn while it was handed over.
      return code === "EINTR" || code === "ENOENT" ? "served" : code;
    }
    if (received === 0) return "ENODEV";
    this.#counters[REQUESTS_COUNTER] = (this.#counters[REQUESTS_COUNTER] ?? 0) + 1;
    const length = this.#answer(received);
    if (length > 0) this.#send(length);
    else if (length === DEFERRED) this.#defer(received);
    if (this.#handler.asked.crossed) this.#touch();
    return "served";
  }

  /** A fault in a handler costs this request alone. */
  #answer(received: number): number {
    try {
      return this.#handler.handle(received);
    } catch (error) {
      this.#fault(error instanceof Error ? error.message : String(error));
      return this.#failure(constants.errno.EIO);
    }
  }

  #fault(message: string): void {
    this.#tell({ kind: "fault", opcode: getU32(this.#buffers.input, 4), message });
  }

  #failure(errno: number): number {
    const { input, output } = this.#buffers;
    putU32(output, 0, OUT_HEADER_BYTES);
    output.setInt32(4, -errno, true);
    putU32(output, 8, getU32(input, 8));
    putU32(output, 12, getU32(input, 12));
    return OUT_HEADER_BYTES;
  }

  #send(length: number): void {
    try {
      writeSync(this.#data.device, this.#buffers.reply, 0, length);
    } catch (error) {
      const code = codeOf(error);
      // ENOENT: nobody waits any more. ENODEV: the next read says it too.
      if (code === "ENOENT" || code === "ENODEV") return;
      this.#fault(`the kernel refused a reply of ${length} bytes: ${code}`);
      if (length > OUT_HEADER_BYTES) this.#send(this.#failure(constants.errno.EIO));
    }
  }

  #defer(received: number): void {
    const { input, request } = this.#buffers;
    const { row, start, end, handle } = this.#handler.asked;
    if (getU32(input, 4) === OP.READ) this.#tell({ kind: "read", unique: getU64(input, 8), row, start, end, handle });
    else this.#tell({ kind: "request", bytes: request.slice(0, received) });
  }

  #touch(): void {
    const { row, start, end, handle } = this.#handler.asked;
    this.#handler.asked.crossed = false;
    this.#tell({ kind: "touch", row, start, end, handle });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}

import { readSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { parentPort, threadId, workerData } from "node:worker_threads";
import { WarmReader } from "../cache/warm-reader.ts";
import { openTree } from "../layers/tree-table.ts";
import { REQUESTS_COUNTER, type DeviceMessage, type DeviceThreadData } from "./device-messages.ts";
import { DEFERRED, type Handler } from "./exchange.ts";
import { createHandler } from "./handler.ts";
import { getU32, getU64, MAX_READ_BYTES, OP, OUT_HEADER_BYTES, putU32, REQUEST_BUFFER_BYTES } from "./protocol.ts";

/** A thread that reads the device with blocking calls and answers what it can by itself, until the device is gone. */

// The one who starts this thread gives exactly this.
const data = workerData as DeviceThreadData;
const request = new Uint8Array(REQUEST_BUFFER_BYTES);
const reply = new Uint8Array(OUT_HEADER_BYTES + MAX_READ_BYTES);
const input = new DataView(request.buffer);
const output = new DataView(reply.buffer);

const counters = new Float64Array(data.counters);

const handler: Handler = createHandler({
  view: { tree: openTree(data.tree), rootRow: data.rootRow, uid: data.uid, gid: data.gid, umask: data.umask },
  totals: data.totals,
  request,
  reply,
  counters,
  ...(data.warm === undefined
    ? {}
    : { warm: { reader: new WarmReader(data.warm, threadId), slots: new Int32Array(data.slots) } }),
});

tell({ kind: "ready" });
tell({ kind: "end", code: serve() });

function tell(message: DeviceMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(message);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}

/** Returns the code of the error that ended it. */
function serve(): string {
  for (;;) {
    let received: number;
    try {
      received = readSync(data.device, request, 0, REQUEST_BUFFER_BYTES, null);
    } catch (error) {
      const code = codeOf(error);
      // ENOENT: the request was withdrawn while it was handed over.
      if (code === "EINTR" || code === "EAGAIN" || code === "ENOENT") continue;
      return code;
    }
    if (received === 0) return "ENODEV";
    counters[REQUESTS_COUNTER] = (counters[REQUESTS_COUNTER] ?? 0) + 1;
    const length = answer(received);
    if (length > 0) send(length);
    else if (length === DEFERRED) defer(received);
    if (handler.asked.crossed) touch();
  }
}

/** A fault in a handler costs this request alone. */
function answer(received: number): number {
  try {
    return handler.handle(received);
  } catch (error) {
    tell({ kind: "fault", opcode: getU32(input, 4), message: error instanceof Error ? error.message : String(error) });
    return failure(constants.errno.EIO);
  }
}

function failure(errno: number): number {
  putU32(output, 0, OUT_HEADER_BYTES);
  output.setInt32(4, -errno, true);
  putU32(output, 8, getU32(input, 8));
  putU32(output, 12, getU32(input, 12));
  return OUT_HEADER_BYTES;
}

function send(length: number): void {
  try {
    writeSync(data.device, reply, 0, length);
  } catch (error) {
    const code = codeOf(error);
    // ENOENT: nobody waits any more. ENODEV: the next read says it too.
    if (code === "ENOENT" || code === "ENODEV") return;
    tell({
      kind: "fault",
      opcode: getU32(input, 4),
      message: `the kernel refused a reply of ${length} bytes: ${code}`,
    });
    if (length > OUT_HEADER_BYTES) send(failure(constants.errno.EIO));
  }
}

function defer(received: number): void {
  const { row, start, end, handle } = handler.asked;
  if (getU32(input, 4) === OP.READ) tell({ kind: "read", unique: getU64(input, 8), row, start, end, handle });
  else tell({ kind: "request", bytes: request.slice(0, received) });
}

function touch(): void {
  const { row, start, end, handle } = handler.asked;
  handler.asked.crossed = false;
  tell({ kind: "touch", row, start, end, handle });
}

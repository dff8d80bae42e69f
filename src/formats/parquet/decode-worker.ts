import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { initSync, readParquet } from "parquet-wasm/esm";
import { isRiffleError, type ErrorCode } from "../../errors.ts";
import { finishMiniFile, type MiniFile } from "./mini-file.ts";
import { limitMemory } from "./wasm-limit.ts";

/** A thread is ready once its decoder is compiled. */
export type DecodeMessage = { readonly kind: "ready" } | DecodeAnswer;

export interface DecodeAnswer {
  readonly kind: "answer";
  /** An Arrow IPC stream. */
  readonly ipc?: Uint8Array;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  /** What the decoder holds by now; it never shrinks. */
  readonly memoryBytes: number;
}

/** What a thread is started with. */
export interface DecodeSettings {
  readonly maxMemoryBytes: number;
}

/** The decoder's own words for what it was not built to read. */
const UNSUPPORTED = /not (yet )?(implemented|supported)|unsupported|NYI|disabled|feature/i;
/** No batch is cut: the caller cuts. */
const BATCH_ROWS = 0x7fff_ffff;

// The thread is started by `DecodeThread` alone.
const { maxMemoryBytes } = workerData as DecodeSettings;
const binary = readFileSync(fileURLToPath(import.meta.resolve("parquet-wasm/esm/parquet_wasm_bg.wasm")));
const { memory } = initSync({ module: limitMemory(binary, maxMemoryBytes) });

function answer(mini: MiniFile): DecodeAnswer {
  const memoryBytes = (): number => memory.buffer.byteLength;
  try {
    const { rows, take } = mini;
    const file = finishMiniFile(mini);
    const limit = take < rows ? { limit: take } : {};
    const ipc = readParquet(file, { batchSize: Math.max(1, Math.min(take, BATCH_ROWS)), ...limit }).intoIPCStream();
    return { kind: "answer", ipc, memoryBytes: memoryBytes() };
  } catch (error) {
    if (isRiffleError(error)) {
      return { kind: "answer", error: { code: error.code, message: error.message }, memoryBytes: memoryBytes() };
    }
    // After a trap the decoder's memory is not to be trusted: the thread ends, and the next one starts clean.
    if (error instanceof Error && error.name === "RuntimeError") throw error;
    const message = error instanceof Error ? error.message : String(error);
    const code = UNSUPPORTED.test(message) ? "unsupported" : "malformed";
    return { kind: "answer", error: { code, message }, memoryBytes: memoryBytes() };
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort?.postMessage({ kind: "ready" } satisfies DecodeMessage);
parentPort?.on("message", (mini: MiniFile) => {
  const reply = answer(mini);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(reply, reply.ipc === undefined ? [] : [reply.ipc.buffer as ArrayBuffer]);
});

import { Worker } from "node:worker_threads";
import { Limiter } from "../../bytes/limiter.ts";
import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { threadFile } from "../../bytes/thread-file.ts";
import { abortError, RiffleError } from "../../errors.ts";
import {
  ANSWERED,
  FAILED,
  HEADER_BYTES,
  LENGTH_WORD,
  SHARED_BYTES,
  STATE_WORD,
  type Answers,
  type Command,
  type WorkerMessage,
  type WorkerSetup,
} from "./protocol.ts";

export interface Hdf5Worker {
  /** One command after the other. Rejects with what the source rejects with, and with `malformed` where the library fails. */
  run<Kind extends keyof Answers>(
    command: Command & { readonly kind: Kind },
    options: ReadOptions,
  ): Promise<Answers[Kind]>;
  /** Of the file, so far. */
  fetchedBytes(): number;
  close(): Promise<void>;
}

/** Of computing without asking for bytes: a real dataset decodes 64 MiB in a tenth of this. */
const MAX_SILENCE_MS = 10_000;
/** One read of the library: a chunk, or a part of a tree. */
const MAX_FETCH_BYTES = 256 * 1024 * 1024;

export interface WorkerLimits {
  readonly maxSilenceMs?: number;
}

interface Waiting {
  readonly options: ReadOptions;
  readonly resolve: (answer: Answers[keyof Answers]) => void;
  readonly reject: (error: unknown) => void;
}

/** A thread with the library, which reads synchronously: it sleeps while its bytes are fetched here. Started by the first command. */
export function hdf5Worker(source: RangeSource, { maxSilenceMs = MAX_SILENCE_MS }: WorkerLimits = {}): Hdf5Worker {
  const one = new Limiter(1);
  let thread: Thread | undefined;
  let fetched = 0;
  const start = (): Thread => {
    const onFetch = (bytes: number): void => {
      fetched += bytes;
    };
    thread ??= startThread(source, { onFetch, maxSilenceMs });
    return thread;
  };
  return {
    fetchedBytes: () => fetched,
    run: <Kind extends keyof Answers>(command: Command & { readonly kind: Kind }, options: ReadOptions) =>
      one.run(async () => {
        options.signal?.throwIfAborted();
        try {
          // The worker answers a command with the answer of its kind.
          return (await start().ask(command, options)) as Answers[Kind];
        } catch (error) {
          if (thread?.isOver() === true) thread = undefined;
          throw error;
        }
      }, options),
    close: async () => {
      const last = thread;
      thread = undefined;
      await last?.end(new RiffleError("closed", "the HDF5 reader was closed"));
    },
  };
}

interface Thread {
  ask(command: Command, options: ReadOptions): Promise<Answers[keyof Answers]>;
  isOver(): boolean;
  end(why: RiffleError): Promise<void>;
}

function startThread(
  source: RangeSource,
  { onFetch, maxSilenceMs }: { readonly onFetch: (bytes: number) => void; readonly maxSilenceMs: number },
): Thread {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const setup: WorkerSetup = { shared, size: source.size };
  const worker = new Worker(threadFile("hdf5-worker", import.meta.url), {
    workerData: setup,
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: 1024 },
  });
  worker.unref();
  let waiting: Waiting | undefined;
  let isOver = false;
  let clock: NodeJS.Timeout | undefined;
  let bytes: { readonly start: number; readonly data: Uint8Array } = { start: 0, data: new Uint8Array() };
  let failure: unknown;
  const end = async (why: RiffleError): Promise<void> => {
    isOver = true;
    clearTimeout(clock);
    waiting?.reject(why);
    waiting = undefined;
    await worker.terminate();
  };
  const watch = (): void => {
    clearTimeout(clock);
    const why = `the HDF5 library did not answer within ${maxSilenceMs / 1000} s: the file is broken or hostile`;
    clock = setTimeout(() => void end(new RiffleError("malformed", why)), maxSilenceMs);
  };
  const wake = (state: number, part: Uint8Array): void => {
    const words = new Int32Array(shared, 0, 2);
    new Uint8Array(shared, HEADER_BYTES).set(part);
    Atomics.store(words, LENGTH_WORD, part.length);
    Atomics.store(words, STATE_WORD, state);
    Atomics.notify(words, STATE_WORD);
    watch();
  };
  const fetch = async (range: ByteRange): Promise<void> => {
    // The time of the network is not the library's.
    clearTimeout(clock);
    try {
      if (range.end - range.start > MAX_FETCH_BYTES)
        throw new RiffleError("unsupported", `an HDF5 chunk of ${range.end - range.start} bytes`);
      bytes = { start: range.start, data: await source.read(range, waiting?.options) };
      onFetch(bytes.data.length);
      if (!isOver) wake(ANSWERED, bytes.data.subarray(0, SHARED_BYTES - HEADER_BYTES));
    } catch (error) {
      failure = error;
      if (!isOver) wake(FAILED, new Uint8Array());
    }
  };
  const settle = (message: WorkerMessage & { readonly kind: "done" | "failed" }): void => {
    clearTimeout(clock);
    const asked = waiting;
    waiting = undefined;
    if (message.kind === "done") asked?.resolve(message.answer);
    else asked?.reject(failure ?? new RiffleError(message.code, message.message));
    failure = undefined;
  };
  worker.on("message", (message: WorkerMessage) => {
    if (message.kind === "fetch") void fetch(message.range);
    else if (message.kind === "more") {
      wake(ANSWERED, bytes.data.subarray(message.range.start - bytes.start, message.range.end - bytes.start));
    } else settle(message);
  });
  worker.on(
    "error",
    (cause) =>
      void end(new RiffleError("malformed", "the HDF5 library broke down: the file is broken or hostile", { cause })),
  );
  worker.on(
    "exit",
    () => void end(new RiffleError("malformed", "the HDF5 library ended: the file is broken or hostile")),
  );
  // What the library prints of its errors is for nobody; unread, it would fill memory.
  worker.stdout.resume();
  worker.stderr.resume();
  return {
    isOver: () => isOver,
    end,
    ask: (command, options) =>
      new Promise((resolve, reject) => {
        const { signal } = options;
        const onAbort = (): void => void end(abortError(signal));
        signal?.addEventListener("abort", onAbort, { once: true });
        const after = (): void => {
          signal?.removeEventListener("abort", onAbort);
          worker.unref();
        };
        waiting = {
          options,
          resolve: (answer) => {
            after();
            resolve(answer);
          },
          reject: (error) => {
            after();
            reject(error);
          },
        };
        worker.ref();
        watch();
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        worker.postMessage(command);
      }),
  };
}

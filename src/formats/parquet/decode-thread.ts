import { Worker } from "node:worker_threads";
import { Limiter } from "../../bytes/limiter.ts";
import { threadFile } from "../../bytes/thread-file.ts";
import { abortError, RiffleError } from "../../errors.ts";
import type { DecodeAnswer, DecodeMessage, DecodeSettings } from "./decode-worker.ts";
import type { MiniFile } from "./mini-file.ts";

export interface DecodeJob {
  readonly mini: MiniFile;
  /** For messages: "row group 3". */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/** A decoder that holds more is ended after its job: WebAssembly memory never shrinks. */
const RECYCLE_BYTES = 256 * 1024 * 1024;
/** A page of a few bytes may ask for hours of work; and the slowest codec does more than this in a second. */
const BASE_MS = 8000;
const BYTES_PER_MS = 10_000;

/** Compiling the decoder takes 0.1 s, on a machine with nothing else to do. */
const START_MS = 60_000;

interface RunningJob {
  /** The thread has started: the job's time runs from now. */
  readonly begin: () => void;
  readonly fail: (error: RiffleError) => void;
  readonly answer: (answer: DecodeAnswer) => void;
}

/**
 * Decodes small Parquet files in a thread, one after the other. A trap, a hang or a thirst for memory of the decoder is a
 * `RiffleError` of that job; the next job gets a new thread. The thread does not keep the process alive between jobs.
 */
export class DecodeThread {
  readonly #one = new Limiter(1);
  readonly #settings: DecodeSettings;
  #worker: Worker | undefined;
  #ready = false;
  #job: RunningJob | undefined;
  #closed = false;

  constructor(settings: DecodeSettings) {
    this.#settings = settings;
  }

  /** Starts the thread ahead of its first job. */
  warm(): void {
    this.#start();
  }

  /**
   * An Arrow IPC stream of one batch. The buffer of `mini.body` is given away. Who aborts a job that has begun waits no longer; the thread ends
   * it by itself, for starting another would cost more.
   */
  async decode(job: DecodeJob): Promise<Uint8Array> {
    const { signal } = job;
    if (signal === undefined) return this.#one.run(() => this.#ask(job));
    const answer = this.#one.run(() => this.#ask(job), { signal });
    // Nobody may wait for it any more.
    answer.catch(() => undefined);
    let leave = (): void => undefined;
    const left = new Promise<never>((_, reject) => (leave = () => reject(abortError(signal))));
    signal.addEventListener("abort", leave, { once: true });
    return Promise.race([answer, left]).finally(() => signal.removeEventListener("abort", leave));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#end(new RiffleError("closed", "this table was closed"));
  }

  throwIfClosed(): void {
    if (this.#closed) throw new RiffleError("closed", "this table was closed");
  }

  async #ask(job: DecodeJob): Promise<Uint8Array> {
    this.throwIfClosed();
    const { ipc, error, memoryBytes } = await this.#exchange(job);
    if (memoryBytes > RECYCLE_BYTES) await this.#end();
    if (ipc !== undefined) return ipc;
    throw new RiffleError(error?.code ?? "internal", `${job.what} cannot be decoded: ${error?.message ?? "no reason"}`);
  }

  #exchange(job: DecodeJob): Promise<DecodeAnswer> {
    const worker = this.#start();
    return new Promise((resolve, reject) => {
      const limitMs = BASE_MS + job.mini.body.length / BYTES_PER_MS;
      const onAbort = (): void => worker.unref();
      const arm = (ms: number): NodeJS.Timeout => setTimeout(() => void this.#end(tooLong(job.what, ms)), ms);
      let timer = arm(this.#ready ? limitMs : START_MS + limitMs);
      const settle = (): void => {
        this.#job = undefined;
        clearTimeout(timer);
        job.signal?.removeEventListener("abort", onAbort);
        worker.unref();
      };
      this.#job = {
        begin: () => {
          clearTimeout(timer);
          timer = arm(limitMs);
        },
        fail: (error) => {
          settle();
          reject(error);
        },
        answer: (answer) => {
          settle();
          resolve(answer);
        },
      };
      job.signal?.addEventListener("abort", onAbort, { once: true });
      worker.ref();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(job.mini, [job.mini.body.buffer as ArrayBuffer]);
    });
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    // Without the flags of the process: some of them (--input-type) no thread starts with.
    const how = { workerData: this.#settings, execArgv: [] };
    const worker = new Worker(threadFile("decode-worker", import.meta.url), how);
    worker.unref();
    const gone = (cause?: unknown): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#job?.fail(gaveUp(cause));
    };
    worker.on("message", (message: DecodeMessage) => {
      if (this.#worker !== worker) return;
      if (message.kind === "answer") this.#job?.answer(message);
      else {
        this.#ready = true;
        this.#job?.begin();
      }
    });
    worker.on("error", gone);
    worker.on("exit", () => gone());
    this.#ready = false;
    this.#worker = worker;
    return worker;
  }

  async #end(reason?: RiffleError): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (reason !== undefined) this.#job?.fail(reason);
    await worker?.terminate();
  }
}

function gaveUp(cause: unknown): RiffleError {
  const message = "the content of this Parquet file broke its decoder, or needs more memory than it may have";
  return new RiffleError("malformed", message, cause === undefined ? {} : { cause });
}

function tooLong(what: string, limitMs: number): RiffleError {
  return new RiffleError("malformed", `${what} cannot be decoded in ${Math.round(limitMs / 1000)} s`);
}

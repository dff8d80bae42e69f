import { Worker } from "node:worker_threads";
import { Limiter } from "../bytes/limiter.ts";
import type { Digest } from "../bytes/digest.ts";
import { threadFile } from "../bytes/thread-file.ts";
import type { BodyPart } from "./body.ts";
import type { HashAnswer, HashStep } from "./hash-worker.ts";

/** How much is hashed between two looks at the signal. */
const STEP_BYTES = 64 * 1024 * 1024;
const IDLE_MS = 5000;

interface HashJob {
  readonly algorithm: "sha256" | "sha512";
  readonly signal?: AbortSignal;
}

/** One thread that hashes whole contents, one after the other; it starts with the first and ends when idle. */
export class HashThread {
  readonly #one = new Limiter(1);
  readonly #idleMs: number;
  #worker: Worker | undefined;
  #reply: ((answer: HashAnswer) => void) | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: { readonly idleMs?: number } = {}) {
    this.#idleMs = options.idleMs ?? IDLE_MS;
  }

  /** The digest of files read one after the other; undefined when a part could not be read. Rejects when aborted. */
  hashFiles(job: HashJob & { readonly parts: readonly BodyPart[] }): Promise<Digest | undefined> {
    return this.#run(job, async () => {
      for (const part of job.parts) {
        const held = part.hold();
        if (held === undefined) return false;
        try {
          for (let position = 0; position < part.length; position += STEP_BYTES) {
            job.signal?.throwIfAborted();
            const length = Math.min(STEP_BYTES, part.length - position);
            if (!(await this.#step({ kind: "file", fd: held.data, position, length }))) return false;
          }
        } finally {
          held.release();
        }
      }
      return true;
    });
  }

  /** The digest of bytes as they are given; undefined when the generator returns false. */
  hashBytes(job: HashJob & { readonly chunks: AsyncGenerator<Uint8Array, boolean> }): Promise<Digest | undefined> {
    return this.#run(job, async () => {
      for (;;) {
        const next = await job.chunks.next();
        if (next.done === true) return next.value;
        job.signal?.throwIfAborted();
        if (!(await this.#step({ kind: "bytes", bytes: next.value }))) return false;
      }
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    this.#reply?.({ ok: false });
    await worker?.terminate();
  }

  #run(job: HashJob, feed: () => Promise<boolean>): Promise<Digest | undefined> {
    return this.#one.run(
      async () => {
        clearTimeout(this.#idle);
        try {
          if (!(await this.#step({ kind: "start", algorithm: job.algorithm })) || !(await feed())) return undefined;
          const { hex } = await this.#ask({ kind: "finish" });
          return hex === undefined ? undefined : (`${job.algorithm}:${hex}` as const);
        } finally {
          this.#idle = setTimeout(() => void this.close(), this.#idleMs).unref();
        }
      },
      job.signal === undefined ? {} : { signal: job.signal },
    );
  }

  async #step(step: HashStep): Promise<boolean> {
    return (await this.#ask(step)).ok;
  }

  #ask(step: HashStep): Promise<HashAnswer> {
    const worker = this.#start();
    return new Promise((resolve) => {
      worker.ref();
      this.#reply = (answer) => {
        this.#reply = undefined;
        worker.unref();
        resolve(answer);
      };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(step);
    });
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(threadFile("hash-worker", import.meta.url));
    worker.unref();
    const gone = (): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#reply?.({ ok: false });
    };
    worker.on("message", (answer: HashAnswer) => this.#reply?.(answer));
    worker.on("error", gone);
    worker.on("exit", gone);
    this.#worker = worker;
    return worker;
  }
}

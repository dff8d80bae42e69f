import { Worker } from "node:worker_threads";
import { Limiter } from "../bytes/limiter.ts";
import { clip, rangeLength, type ByteRange } from "../bytes/range.ts";
import type { RangeSource } from "../bytes/source.ts";
import { threadFile } from "../bytes/thread-file.ts";
import { RiffleError } from "../errors.ts";
import type { ExtentTable } from "../formats/extents.ts";
import type { FormatName } from "../formats/format.ts";
import type { ExtentsJob, ExtentsMessage, ExtentsReply } from "./extents-worker.ts";

export interface ThreadJob {
  readonly format: FormatName;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/** An index that takes longer is hostile, or its file is read long before it is known. */
const LIMIT_MS = 30_000;
const MEMORY_MIB = 512;

/** Parses large indexes in a thread of its own, one after the other: a hang or a crash of it is a rejection here. */
export class ExtentsThread {
  readonly #one = new Limiter(1);

  extents(source: RangeSource, job: ThreadJob): Promise<ExtentTable> {
    return this.#one.run(() => runJob(source, job), { signal: job.signal });
  }
}

async function runJob(source: RangeSource, { format, maxBytes, signal }: ThreadJob): Promise<ExtentTable> {
  const job: ExtentsJob = { format, maxBytes, id: source.id, size: source.size };
  const worker = new Worker(threadFile("extents-worker", import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
  });
  worker.unref();
  const stop = new AbortController();
  const how = { priority: "metadata" as const, signal: AbortSignal.any([signal, stop.signal]) };
  let room = maxBytes;
  const answer = async (call: number, ranges: readonly ByteRange[]): Promise<void> => {
    room -= ranges.reduce((sum, range) => sum + rangeLength(clip(range, source.size)), 0);
    const reply: ExtentsReply =
      room < 0
        ? { call, code: "unsupported", message: "the index is too large" }
        : await source.readMany(ranges, how).then(
            (parts) => ({ call, parts }),
            (error: unknown) => ({
              call,
              code: error instanceof RiffleError ? error.code : "internal",
              message: error instanceof Error ? error.message : "the read failed",
            }),
          );
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(reply);
  };
  try {
    return await new Promise<ExtentTable>((resolve, reject) => {
      const fail = (message: string): void => reject(new RiffleError("internal", message));
      const timer = setTimeout(() => fail("the index took too long to parse"), LIMIT_MS).unref();
      how.signal.addEventListener("abort", () => fail("nobody waits for the index"), { once: true });
      worker.once("error", (error) => fail(error.message));
      worker.once("exit", () => {
        clearTimeout(timer);
        fail("the thread ended");
      });
      worker.on("message", (message: ExtentsMessage) => {
        if (message.kind === "read") void answer(message.call, message.ranges);
        else if (message.kind === "table") resolve(message.table);
        else reject(new RiffleError(message.code, message.message));
      });
    });
  } finally {
    stop.abort();
    await worker.terminate();
  }
}

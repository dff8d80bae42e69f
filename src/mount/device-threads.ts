import { Worker } from "node:worker_threads";
import { threadFile } from "../bytes/thread-file.ts";
import type { WarmCounters } from "./backend.ts";
import { COUNTERS, REQUESTS_COUNTER, type DeviceMessage, type DeviceThreadData } from "./device-messages.ts";

/** A second thread answers while the first waits for the disk; more than four gain nothing (they share the device's lock). */
// FUSE_DEV_IOC_CLONE, a device for each thread, was slower with four readers on two cores (p50 85 us against 45-70).
export const DEFAULT_THREADS = 2;
export const MAX_THREADS = 16;
/** Device threads hold next to nothing on their heaps. */
export const HEAP_MEBIBYTES = 32;

export interface DeviceThreads {
  /** Resolves when every thread reads the device; rejects when one cannot start. */
  readonly ready: Promise<void>;
  /** Resolves (never rejects) when all have ended, with the code that the last one ended with. */
  readonly ended: Promise<string>;
  counters(): WarmCounters;
}

export interface DeviceThreadsOptions {
  readonly count: number;
  readonly data: Omit<DeviceThreadData, "counters">;
  readonly onMessage: (message: DeviceMessage) => void;
}

/** The threads end by themselves when the device is gone: a thread that waits in the kernel cannot be stopped. */
export function startDeviceThreads(options: DeviceThreadsOptions): DeviceThreads {
  const count = Math.min(MAX_THREADS, Math.max(1, Math.floor(options.count)));
  const counters = Array.from({ length: count }, () => new Float64Array(new SharedArrayBuffer(COUNTERS * 8)));
  const threads = counters.map((own) => startThread({ ...options.data, counters: own.buffer }, options.onMessage));
  return {
    ready: Promise.all(threads.map((thread) => thread.ready)).then(() => undefined),
    ended: Promise.all(threads.map((thread) => thread.ended)).then((codes) => codes.at(-1) ?? "unknown"),
    counters: () => warmCounters(counters),
  };
}

/** The counts of several threads together. */
export function warmCounters(counters: readonly Float64Array[]): WarmCounters {
  const sum = (at: number): number => counters.reduce((total, own) => total + (own[at] ?? 0), 0);
  return {
    reads: sum(0),
    bytesRead: sum(1),
    bytesFromCache: sum(2),
    bytesProven: sum(3),
    requests: sum(REQUESTS_COUNTER),
  };
}

function startThread(
  data: DeviceThreadData,
  onMessage: (message: DeviceMessage) => void,
): { readonly ready: Promise<void>; readonly ended: Promise<string> } {
  const worker = new Worker(threadFile("device-worker", import.meta.url), {
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEBIBYTES },
  });
  let code = "exit";
  const ended = new Promise<string>((resolve) => {
    worker.on("error", (error: Error) => {
      code = "fault";
      onMessage({ kind: "fault", opcode: 0, message: `a device thread died: ${error.message}` });
    });
    worker.once("exit", () => resolve(code));
  });
  const ready = new Promise<void>((resolve, reject) => {
    worker.on("message", (message: DeviceMessage) => {
      if (message.kind === "ready") resolve();
      else if (message.kind === "end") code = message.code;
      else onMessage(message);
    });
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("a device thread ended at once")));
  });
  return { ready, ended };
}

import { closeSync, writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { threadFile } from "../bytes/thread-file.ts";
import { RiffleError } from "../errors.ts";
import type { Thread } from "../formats/shared-threads.ts";
import {
  COUNTERS,
  type SharedDeviceMessage,
  type SharedDeviceOrder,
  type SharedDeviceThreadData,
} from "./device-messages.ts";
import {
  HEAP_MEBIBYTES,
  startDeviceThreads,
  warmCounters,
  type DeviceThreads,
  type DeviceThreadsOptions,
} from "./device-threads.ts";
import { loadNative, type Native } from "./native.ts";

/** A thread weighs some megabytes: the first mounts of a process have threads of their own, all further ones share these. */
const OWN = 3;
const SHARED = 2;

interface Joined {
  readonly onMessage: DeviceThreadsOptions["onMessage"];
  readonly ready: () => void;
  readonly ended: (code: string) => void;
}

/** The device threads of the mounts that share an engine. */
export class SharedDevices implements Thread {
  readonly #hosts: Promise<SharedThread>[] = [];
  readonly #most: number;
  #own = 0;
  #turn = 0;

  /** `own`: how many mounts at one time have threads of their own. */
  constructor({ own = OWN }: { readonly own?: number } = {}) {
    this.#most = own;
  }

  /** As `startDeviceThreads`; the device must not be read before. */
  async start(options: DeviceThreadsOptions): Promise<DeviceThreads> {
    if (this.#own >= this.#most) {
      // Where the calls that this needs do not load, or its thread does not live, a mount has its own threads, as ever.
      const joined = await this.#join(options).catch(() => undefined);
      if (joined !== undefined) return joined;
    }
    this.#own += 1;
    const threads = startDeviceThreads(options);
    void threads.ended.then(() => (this.#own -= 1));
    return threads;
  }

  async #join(options: DeviceThreadsOptions): Promise<DeviceThreads> {
    const native = await loadNative();
    const at = this.#turn % SHARED;
    this.#turn += 1;
    const host = this.#hosts[at] ?? startSharedThread(native);
    this.#hosts[at] = host;
    return (await host).join(options);
  }

  /** Threads without a device end now, the others after their last one. */
  async close(): Promise<void> {
    await Promise.all(this.#hosts.splice(0).map(async (host) => (await host).close()));
  }
}

async function startSharedThread(native: Native): Promise<SharedThread> {
  const [ours, theirs] = native.socketPair();
  const data: SharedDeviceThreadData = { wake: theirs };
  const worker = new Worker(threadFile("shared-device-worker", import.meta.url), {
    workerData: data,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEBIBYTES },
  });
  return new SharedThread(worker, { native, ours, theirs });
}

/** One thread of many devices. */
class SharedThread {
  readonly #worker: Worker;
  readonly #native: Native;
  readonly #wake: number;
  readonly #joined = new Map<number, Joined>();
  readonly #ended: Promise<void>;
  #last = 0;
  #isOver = false;

  constructor(worker: Worker, parts: { readonly native: Native; readonly ours: number; readonly theirs: number }) {
    this.#worker = worker;
    this.#native = parts.native;
    this.#wake = parts.ours;
    worker.on("message", ({ id, message }: SharedDeviceMessage) => {
      const joined = this.#joined.get(id);
      if (joined === undefined) return;
      if (message.kind === "ready") joined.ready();
      else if (message.kind === "end") this.#leave(id, message.code);
      else joined.onMessage(message);
    });
    let fault = "exit";
    worker.on("error", (error) => (fault = error.message));
    this.#ended = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#isOver = true;
        for (const id of this.#joined.keys()) this.#leave(id, fault);
        closeSync(parts.ours);
        closeSync(parts.theirs);
        resolve();
      });
    });
  }

  /** Throws, and leaves the device as it was, where the thread cannot serve it. */
  join({ data, onMessage }: DeviceThreadsOptions): DeviceThreads {
    if (this.#isOver) throw new RiffleError("closed", "a shared device thread has ended");
    this.#native.unblock(data.device);
    this.#last += 1;
    const id = this.#last;
    const counters = new Float64Array(new SharedArrayBuffer(COUNTERS * 8));
    let [ready, leave]: [() => void, (code: string) => void] = [() => undefined, () => undefined];
    const ended = new Promise<string>((resolve) => (leave = resolve));
    const isReady = new Promise<void>((resolve, reject) => {
      ready = resolve;
      void ended.then((code) => reject(new Error(`a shared device thread ended: ${code}`)));
    });
    this.#joined.set(id, { onMessage, ready, ended: leave });
    this.#order({ kind: "add", id, data: { ...data, counters: counters.buffer } });
    return { ready: isReady, ended, counters: () => warmCounters([counters]) };
  }

  async close(): Promise<void> {
    if (this.#isOver) return;
    this.#order({ kind: "end" });
    if (this.#joined.size === 0) await this.#ended;
  }

  #leave(id: number, code: string): void {
    const joined = this.#joined.get(id);
    this.#joined.delete(id);
    joined?.ended(code);
  }

  #order(order: SharedDeviceOrder): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
    this.#worker.postMessage(order);
    writeSync(this.#wake, "!");
  }
}

import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { RiffleError } from "../errors.ts";
import type { EndReason, Mounted, WarmCounters } from "./backend.ts";
import { detach, isAttached, type AttachedMount, type DetachHow } from "./detach.ts";
import type { DeviceThreads } from "./device-threads.ts";
import type { KernelSession } from "./kernel-session.ts";

export interface KernelMountOptions {
  readonly session: KernelSession;
  readonly threads: DeviceThreads;
  readonly attached: AttachedMount;
  /** The device; closed when every thread has ended. */
  readonly descriptor: number;
  readonly uid: number;
  readonly onEnd: (reason: EndReason) => void;
}

/** From an unmount that nothing held up to the end of the last thread: far more than it takes. */
const END_MS = 1000;

/** The life of one mount through the kernel backend, from its first request to its last thread. */
export class KernelMount implements Mounted {
  readonly backend = "kernel";
  readonly ended: Promise<void>;
  readonly #options: KernelMountOptions;
  #asked = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: KernelMountOptions) {
    this.#options = options;
    this.ended = options.threads.ended.then((code) => this.#end(code));
  }

  get passthrough(): boolean {
    return this.#options.session.passthrough;
  }

  counters(): WarmCounters {
    return this.#options.threads.counters();
  }

  async unmount(options: { readonly lazy?: boolean } = {}): Promise<void> {
    const { attached } = this.#options;
    this.#asked = true;
    if (await this.#detach("plain")) return this.ended;
    if (options.lazy === true && (await this.#detach("lazy"))) return undefined;
    this.#asked = false;
    throw new RiffleError("exists", `${attached.mountpoint} is in use`, {
      hint: `close what is open there (fuser -vm ${attached.mountpoint}), or unmount with --lazy`,
    });
  }

  async close(): Promise<void> {
    this.#asked = true;
    const isOut = isAttached(this.#options.attached) && (await this.#detach("plain"));
    // Out of our tree, it lives on where another process detached it while it was open, or has it in a namespace of its own.
    if (!isOut || !(await this.#endsSoon())) await this.#detach("force");
    await this.ended;
  }

  async #endsSoon(): Promise<boolean> {
    const late = new AbortController();
    const isOver = this.ended.then(() => true);
    try {
      return await Promise.race([isOver, sleep(END_MS, false, { signal: late.signal })]);
    } finally {
      late.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** One at a time: a second umount of one path would take what lies below the first. */
  #detach(how: DetachHow): Promise<boolean> {
    const { attached, uid } = this.#options;
    const detached = this.#turn.then(() => detach(attached, { how, uid }));
    this.#turn = detached.catch(() => false);
    return detached;
  }

  async #end(code: string): Promise<void> {
    const { session, descriptor, onEnd } = this.#options;
    session.end();
    closeSync(descriptor);
    // After an abort (`umount -f` of a busy mount, fusectl) the mount is dead but still in the tree.
    await this.#detach("lazy").catch(() => false);
    onEnd(this.#asked ? "unmounted" : code === "ENODEV" ? "detached" : "failed");
  }
}

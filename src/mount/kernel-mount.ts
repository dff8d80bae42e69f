import { closeSync } from "node:fs";
import { RiffleError } from "../errors.ts";
import type { EndReason, Mounted, WarmCounters } from "./backend.ts";
import { detach, type AttachedMount } from "./detach.ts";
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

/** The life of one mount through the kernel backend, from its first request to its last thread. */
export class KernelMount implements Mounted {
  readonly backend = "kernel";
  readonly ended: Promise<void>;
  readonly #options: KernelMountOptions;
  #asked = false;

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
    const { attached, uid } = this.#options;
    this.#asked = true;
    if (await detach(attached, { how: "plain", uid })) return this.ended;
    if (options.lazy === true && (await detach(attached, { how: "lazy", uid }))) return undefined;
    this.#asked = false;
    throw new RiffleError("exists", `${attached.mountpoint} is in use`, {
      hint: `close what is open there (fuser -vm ${attached.mountpoint}), or unmount with --lazy`,
    });
  }

  async close(): Promise<void> {
    const { attached, uid } = this.#options;
    this.#asked = true;
    const out = await detach(attached, { how: "plain", uid });
    if (!out) await detach(attached, { how: "force", uid });
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(code: string): Promise<void> {
    const { session, attached, descriptor, uid, onEnd } = this.#options;
    session.end();
    closeSync(descriptor);
    // After an unmount it is out of the tree, after an abort (`umount -f` too, which also says ENODEV) it is dead there;
    // who waits for `ended` must not find it, so nothing is left to a `close` that may still be under way.
    await detach(attached, { how: "lazy", uid }).catch(() => false);
    onEnd(this.#asked ? "unmounted" : code === "ENODEV" || code === "ECONNABORTED" ? "detached" : "failed");
  }
}

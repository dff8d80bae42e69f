import { accessSync, constants, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Served } from "../artifact/served.ts";
import { isRiffleError, RiffleError } from "../errors.ts";
import type { Availability, Backend, EndReason, Mounted, MountOptions } from "./backend.ts";
import { escapeOption } from "./attach.ts";
import { detach, isAttached, type AttachedMount } from "./detach.ts";
import { heldDevices, isStillHeld, type HeldDevice } from "./device-holder.ts";
import { loadFuseNative, type FuseLibrary, type FuseNative } from "./fuse-native.ts";
import { libfuseOperations } from "./libfuse-operations.ts";
import { resolveMountpoint } from "./mountpoint.ts";
import { mountAt } from "./proc-mounts.ts";

export interface LibfuseBackendOptions {
  readonly load?: () => FuseLibrary;
  readonly device?: string;
  readonly now?: () => number;
}

/** Buffers in fuse-native that longer texts would be cut to fit. */
const MAX_TEXT_BYTES = 1023;
/** fuse-native does not say when libfuse's loop ends; a look costs two reads of /proc. */
const END_POLL_MS = 250;
/** Names never change, so the kernel may keep them, also those that do not exist. */
const NAME_SECONDS = 86_400;
const SOON_MS = 10;
const FORCED_END_MS = 2000;

/**
 * The second way to the kernel: libfuse 2 through `fuse-native`, for hosts where the first cannot run. It differs in what
 * libfuse cannot do: a reader that was interrupted waits for its answer, the kernel asks for attributes every time (one
 * lifetime for all files, and live ones have none), and names that are not UTF-8 show U+FFFD.
 */
export function libfuseBackend(backend: LibfuseBackendOptions = {}): Backend {
  const load = backend.load ?? loadFuseNative;
  const device = backend.device ?? "/dev/fuse";
  return {
    name: "libfuse",
    available: async () => availability(load, device),
    mount: async (served, options) => {
      const available = availability(load, device);
      if (!available.ok) throw new RiffleError(available.code, available.reason, { hint: available.hint });
      return mountLibfuse(load(), { served, options, now: backend.now ?? Date.now });
    },
  };
}

function availability(load: () => FuseLibrary, device: string): Availability {
  try {
    load();
  } catch (error) {
    const known = isRiffleError(error) ? error : undefined;
    return {
      ok: false,
      code: "machine",
      reason: known?.message ?? String(error),
      hint: known?.hint ?? "see riffle doctor",
    };
  }
  if (process.platform !== "linux") return { ok: true };
  const stat = statSync(device, { throwIfNoEntry: false });
  if (stat === undefined) {
    return {
      ok: false,
      code: "machine",
      reason: `there is no ${device}`,
      hint: "modprobe fuse, or give the container --device /dev/fuse",
    };
  }
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return { ok: true };
  } catch {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    return {
      ok: false,
      code: "permission",
      reason: `${device} may not be opened by this user (mode ${mode})`,
      hint: `chmod 666 ${device}`,
    };
  }
}

interface Mounting {
  readonly served: Served;
  readonly options: MountOptions;
  readonly now: () => number;
}

async function mountLibfuse(library: FuseLibrary, mounting: Mounting): Promise<Mounted> {
  const { served, options } = mounting;
  const mountpoint = checkMountpoint(options.mountpoint);
  const text = optionString(options);
  const { uid, gid, umask } = options;
  const operations = libfuseOperations(served, {
    view: { tree: served.tree, rootRow: options.rootRow ?? served.tree.root, uid, gid, umask },
    now: mounting.now,
    onError: (error) => options.log("error", `libfuse: ${String(error)}`),
  });
  const before = heldDevices();
  const fuse = new library.Fuse(mountpoint, operations.operations, { timeout: false });
  fuse._fuseOptions = () => text;
  operations.install(fuse);
  await openFuse(fuse, mountpoint);
  const attached: AttachedMount = { mountpoint, device: mountAt(mountpoint)?.device ?? "" };
  const held = heldDevices().find(
    (now) =>
      (now.connection === undefined || now.connection === attached.device.split(":")[1]) &&
      !before.some((old) => old.fd === now.fd && old.connection === now.connection),
  );
  return new LibfuseMount({
    attached,
    held,
    onEnd: options.onEnd,
    interrupt: () => operations.interrupt(),
    release: () => {
      operations.interrupt();
      operations.close();
      library.letGo(mountpoint, fuse);
    },
  });
}

function openFuse(fuse: FuseNative, mountpoint: string): Promise<void> {
  return new Promise((done, reject) => {
    fuse.mount((cause) => {
      if (cause === null) return done();
      const inUse = cause.message === "Mountpoint in use";
      return reject(
        inUse
          ? new RiffleError("exists", `${mountpoint} is a mount point already`, { cause })
          : new RiffleError("machine", `libfuse cannot mount at ${mountpoint}`, {
              hint: "users other than root need fusermount (fuse 2), and user_allow_other in /etc/fuse.conf for --allow-other",
              cause,
            }),
      );
    });
  });
}

function checkMountpoint(path: string): string {
  const mountpoint = resolveMountpoint(path);
  if (Buffer.byteLength(mountpoint) <= MAX_TEXT_BYTES) return mountpoint;
  throw new RiffleError("machine", "the mountpoint's path is too long for the libfuse backend");
}

/** libfuse's `-o`: commas part options, a backslash takes the meaning off the next character. */
function optionString(options: MountOptions): string {
  const list = [
    "ro",
    "use_ino",
    "default_permissions",
    "attr_timeout=0",
    `entry_timeout=${NAME_SECONDS}`,
    `negative_timeout=${NAME_SECONDS}`,
    `fsname=${escapeOption(options.source)}`,
    "subtype=riffle",
    // Without either, pages last until the next open of their file: bytes that are not proven settle nowhere.
    ...(options.pageCache === "always" ? ["auto_cache"] : []),
    ...(options.pageCache === "never" ? ["direct_io"] : []),
    ...(options.allowOther === true ? ["allow_other"] : []),
  ];
  const text = `-o${list.join(",")}`;
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    throw new RiffleError("machine", "the reference is too long for the libfuse backend");
  }
  return text;
}

interface MountParts {
  readonly attached: AttachedMount;
  /** Undefined where there is no /proc: then an end from outside goes unnoticed. */
  readonly held: HeldDevice | undefined;
  readonly onEnd: (reason: EndReason) => void;
  /** libfuse's threads end only when their requests are answered, also those that nobody waits for any more. */
  readonly interrupt: () => void;
  readonly release: () => void;
}

/** The life of one libfuse mount. */
class LibfuseMount implements Mounted {
  readonly backend = "libfuse";
  readonly passthrough = false;
  readonly ended: Promise<void>;
  readonly #parts: MountParts;
  readonly #poll: NodeJS.Timeout;
  #settle: () => void = () => undefined;
  #isEnded = false;
  #asked = false;
  readonly #uid: number = process.geteuid?.() ?? 0;

  constructor(parts: MountParts) {
    this.#parts = parts;
    this.ended = new Promise((done) => (this.#settle = done));
    this.#poll = setInterval(() => this.#look(), END_POLL_MS);
  }

  /** Every read goes through `Served.read`, which counts it. */
  counters(): { reads: 0; bytesRead: 0; bytesFromCache: 0; bytesProven: 0 } {
    return { reads: 0, bytesRead: 0, bytesFromCache: 0, bytesProven: 0 };
  }

  async unmount(options: { readonly lazy?: boolean } = {}): Promise<void> {
    if (this.#isEnded) return undefined;
    const { attached } = this.#parts;
    this.#asked = true;
    if (await detach(attached, { how: "plain", uid: this.#uid })) return this.#untilEnd();
    if (options.lazy === true && (await detach(attached, { how: "lazy", uid: this.#uid }))) return undefined;
    this.#asked = false;
    throw new RiffleError("exists", `${attached.mountpoint} is in use`, {
      hint: `close what is open there (fuser -vm ${attached.mountpoint}), or unmount with --lazy`,
    });
  }

  async close(): Promise<void> {
    if (this.#isEnded) return;
    const { attached } = this.#parts;
    this.#asked = true;
    const out = isAttached(attached) && (await detach(attached, { how: "plain", uid: this.#uid }));
    if (!out) await detach(attached, { how: "force", uid: this.#uid });
    this.#parts.interrupt();
    await this.#untilEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Where the connection could not be cut, what is still open fails with our process. */
  async #untilEnd(): Promise<void> {
    for (let waited = 0; waited < FORCED_END_MS && !this.#isEnded; waited += SOON_MS) {
      this.#look();
      if (!this.#isEnded) await sleep(SOON_MS);
    }
    this.#end();
    await this.ended;
  }

  #look(): void {
    const { held, attached } = this.#parts;
    if (held === undefined ? this.#asked && !isAttached(attached) : !isStillHeld(held)) this.#end();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#poll);
    this.#parts.release();
    void this.#finish();
  }

  /** After an abort the mount is dead in the tree: who waits for `ended` must not find it. */
  async #finish(): Promise<void> {
    const { attached, onEnd } = this.#parts;
    await detach(attached, { how: "lazy", uid: this.#uid }).catch(() => false);
    onEnd(this.#asked ? "unmounted" : "detached");
    this.#settle();
  }
}

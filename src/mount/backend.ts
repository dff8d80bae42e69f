import type { Served } from "../artifact/served.ts";
import type { Row } from "../layers/tree.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Which opens the kernel may cache: proven bytes alone, all, none. */
export type PageCache = "auto" | "always" | "never";

/**
 * Why a mount is no more: `unmounted` on our word, `detached` by someone else (`umount`, `fusermount3 -u`, an abort of
 * the connection), `failed` when no thread can serve it any longer.
 */
export type EndReason = "unmounted" | "detached" | "failed";

export interface MountOptions {
  /** An existing directory. Absolute or relative to the working directory. */
  readonly mountpoint: string;
  /** Shown as the device in `/proc/mounts`: the pinned reference. */
  readonly source: string;
  /** Other users may look in too; without it, only the mounting user (not even root). */
  readonly allowOther?: boolean;
  /** Owners of rows that name none. */
  readonly uid: number;
  readonly gid: number;
  /** Permission bits taken off every mode. */
  readonly umask: number;
  readonly pageCache: PageCache;
  readonly log: (level: LogLevel, message: string) => void;
  /** Called once, when the kernel has let go of the mount. */
  readonly onEnd: (reason: EndReason) => void;
  /** The directory that is shown as the root; the tree's own if absent. */
  readonly rootRow?: Row;
  /** Threads that read the device, 1 to 16. Backends without threads ignore it. */
  readonly threads?: number;
}

/** Counts of reads answered without the main thread (`Served.read` counts the others). Bytes. */
export interface WarmCounters {
  readonly reads: number;
  readonly bytesRead: number;
  readonly bytesFromCache: number;
  readonly bytesProven: number;
  /** Messages of the kernel, of every kind; undefined where the backend does not see them. */
  readonly requests?: number;
}

export interface Mounted extends AsyncDisposable {
  readonly backend: "kernel" | "libfuse";
  /** True once a file was opened so that the kernel reads it alone. */
  readonly passthrough: boolean;
  /** Resolves (never rejects) when the kernel has let go of the mount and every thread of it has ended. */
  readonly ended: Promise<void>;
  counters(): WarmCounters;
  /**
   * Takes the mount out of the tree. When it is busy and `lazy` is set, programs that have files open go on and `ended`
   * waits for them; otherwise busy is an error (`exists`).
   */
  unmount(options?: { readonly lazy?: boolean }): Promise<void>;
  /** Unmounts whatever happens: open files then fail. Resolves with `ended`. */
  close(): Promise<void>;
}

export type Availability =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: "machine" | "permission"; readonly reason: string; readonly hint: string };

/** One way to the kernel. `mount` resolves when the tree answers; rejects with RiffleErrors and leaves nothing then. */
export interface Backend {
  readonly name: "kernel" | "libfuse";
  available(): Promise<Availability>;
  mount(served: Served, options: MountOptions): Promise<Mounted>;
}

import type { TreeTotals } from "./tree-view.ts";
import type { WarmHandle } from "../cache/cache.ts";

/** What a device thread starts with. Everything is shared or plain. */
export interface DeviceThreadData {
  readonly device: number;
  readonly tree: SharedArrayBuffer;
  readonly rootRow: number;
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  readonly totals: TreeTotals;
  readonly slots: SharedArrayBuffer;
  readonly warm: WarmHandle | undefined;
  /** COUNTERS doubles of this thread alone. */
  readonly counters: SharedArrayBuffer;
}

/** Reads, bytes read, of them from the cache, of them proven; then requests of every kind. */
export const COUNTERS = 5;
export const REQUESTS_COUNTER = 4;

/** What a device thread tells the main thread. `unique` is the kernel's number of a request. */
export type DeviceMessage =
  | { readonly kind: "ready" }
  /** A READ that is not answered: not cached, or of a file that changes. */
  | {
      readonly kind: "read";
      readonly unique: number;
      readonly row: number;
      readonly start: number;
      readonly end: number;
      readonly handle: number;
    }
  /** A READ that was answered and passed a mark. */
  | {
      readonly kind: "touch";
      readonly row: number;
      readonly start: number;
      readonly end: number;
      readonly handle: number;
    }
  /** Any other request that only the main thread can answer, whole. */
  | { readonly kind: "request"; readonly bytes: Uint8Array }
  /** The handler threw: the program got EIO. */
  | { readonly kind: "fault"; readonly opcode: number; readonly message: string }
  /** The device is gone (`ENODEV`), or cannot be read. The thread ends. */
  | { readonly kind: "end"; readonly code: string };

/** What a thread of many devices starts with: a socket on which a byte means that orders wait. */
export interface SharedDeviceThreadData {
  readonly wake: number;
}

export type SharedDeviceOrder =
  /** Serve this one, too. Its descriptor does not block. */
  | { readonly kind: "add"; readonly id: number; readonly data: DeviceThreadData }
  /** End after the last device. */
  | { readonly kind: "end" };

/** `id` 0 is the thread itself. */
export interface SharedDeviceMessage {
  readonly id: number;
  readonly message: DeviceMessage;
}

import type { ByteRange } from "../bytes/range.ts";
import type { Priority } from "../bytes/source.ts";
import type { WarmHandle } from "../cache/cache.ts";
import type { Row, TreeTable } from "../layers/tree.ts";

/** How the kernel may treat one open of a file. */
export type OpenKind =
  /** every read comes to us */
  | "direct"
  /** the kernel may keep pages over opens: the bytes are whole and proven, and never change */
  | "keep"
  /** whole and proven in one local file, which the kernel may read by itself */
  | "backed";

export interface OpenGrant {
  readonly kind: OpenKind;
  /** For `backed`: a descriptor that stays open until `release`. */
  readonly fd?: number;
}

export interface OpenAs {
  /** All of its reads will be planned ones: nothing is looked for in the file on its behalf. */
  readonly isPlanned?: boolean;
}

export interface ReadFrom {
  /** Which open this read belongs to: read-ahead follows streams by it. */
  readonly handle: number;
  readonly signal?: AbortSignal;
  readonly priority?: Priority;
  /** The reader knows what it will want (a format's index told it): nothing is guessed for it, so nothing is read ahead. */
  readonly isPlanned?: boolean;
  /** Its number in a trace. */
  readonly id?: number;
}

/**
 * What any front end serves: metadata synchronously from the shared tree, content through `read`. Rejections are
 * RiffleErrors; the front end's table makes an errno or a status of them.
 */
export interface Served {
  readonly tree: TreeTable;
  /** Cache slot of each source (Int32, by source number; 0 = ask the main thread), for `WarmReader` in workers. */
  readonly slots: SharedArrayBuffer;
  readonly warm: WarmHandle | undefined;
  open(row: Row, handle: number, as?: OpenAs): OpenGrant;
  /** Exactly `min(end, size) - start` bytes. Counted as one read. */
  read(row: Row, range: ByteRange, from: ReadFrom): Promise<Uint8Array>;
  /** A worker answered `range` warm and passed a mark: read-ahead goes on from here. */
  touched(row: Row, range: ByteRange, handle: number): void;
  release(row: Row, handle: number): void;
  /** Attributes that change: `user.oci.verified`, `user.oci.cached`. Undefined when there is none of that name. */
  liveXattr(row: Row, name: string): Uint8Array | undefined;
  /** Present size of a ROW_LIVE file. */
  liveSize(row: Row): number;
}

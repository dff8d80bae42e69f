import type { Digest } from "../bytes/digest.ts";
import type { ByteRange } from "../bytes/range.ts";
import type { CacheFiles } from "./files.ts";

/** How far the bytes of a content are proven: by TLS alone, by chunk digests, by the digest of the whole. */
export type Proof = "transport" | "chunk" | "full";

/**
 * What is held of one content id, shared by all in this process who open the same id and size: `open` gives them the same
 * object, and each `open` has its `close`. Nothing is read from disk before the first question. Disk trouble is never an error
 * here: it turns into misses (and one log line).
 */
export interface CacheEntry {
  readonly id: string;
  readonly size: number;
  readonly proof: Proof;
  /** Bytes held. */
  readonly heldBytes: number;
  /**
   * Where `WarmReader` finds this entry in any thread; 0 when it cannot (memory only, arena full). One number from open to
   * close, and never another content's: a reader that has an old one only misses.
   */
  readonly slot: number;
  /** The parts of `range`, grown to pages and cut at `size`, that are not held; looks at what other processes added. */
  missing(range: ByteRange): readonly ByteRange[];
  /** The bytes, or undefined when any of them is not held. */
  read(range: ByteRange): Promise<Uint8Array | undefined>;
  /**
   * Keeps whole pages: `offset` is a multiple of PAGE_BYTES; the end is one too, or is `size` (what is cut elsewhere is trimmed). `bytes`
   * must not change before it resolves; it never rejects. Then the pages are held. In memory they go when the budget wants
   * them, but not before another 8 MiB were written by anyone: so up to 8 MiB can be read right after their write.
   */
  write(offset: number, bytes: Uint8Array, options?: { readonly verified?: boolean }): Promise<void>;
  /** When every byte is held: hashes them in another thread, then marks them `full` or throws them away. */
  verify(digest: Digest, signal?: AbortSignal): Promise<"full" | "incomplete" | "mismatch">;
  /**
   * Forgets all bytes, in this process at once. A process that has the files open goes on with them until it writes, or opens
   * the content anew: what it holds is what was written, and it checks digests itself.
   */
  discard(): void;
  /** Offsets at which a warm read in a worker must tell the main thread (see `WarmResult.crossed`); at most 8. */
  setMarks(offsets: readonly number[]): void;
  /**
   * The one local file that holds the content whole, at its own offsets; undefined while not all is held or it lies in segments.
   * The cache may close `fd` when others need descriptors: hand it on (to the kernel, which keeps its own hold) or open
   * `path` anew before you wait for anything. The file at `path` may be evicted by another process; an open one stays.
   */
  backing(): { readonly fd: number; readonly path: string } | undefined;
  /** Called soon after everything has come to be held, or is found to be by a first question; again after a discard. */
  onComplete(listener: () => void): void;
  close(): void;
}

export interface CacheStatus {
  readonly directory: string | undefined;
  readonly bytes: number;
  readonly limit: number;
  readonly entries: number;
}

export interface Cache {
  /** `id` is a digest, or a digest with a decoding after it. `size` is exact. */
  open(id: string, size: number): CacheEntry;
  /** A file of another's that is the content whole (a blob in a layout directory): every page held, proof `transport` until `verify`. Never evicted, written or deleted. */
  attach(id: string, size: number, path: string): CacheEntry;
  status(): Promise<CacheStatus>;
  /** Evicts all that nobody has open. */
  clear(): Promise<{ readonly freedBytes: number }>;
  /** The shared state that a `WarmReader` in a worker thread needs; structured-clonable. */
  readonly warm: WarmHandle | undefined;
  /** Syncs and ends; open entries turn into misses. */
  close(): Promise<void>;
}

/** Shared memory that any thread reads presence and descriptors from; layout is `warm-reader.ts`'s own. */
export interface WarmHandle {
  readonly buffer: SharedArrayBuffer;
}

/** A warm read's outcome: `bytes` < 0 is a miss (go to the main thread). */
export interface WarmResult {
  bytes: number;
  /** The read passed a mark: the main thread is to be told of it. */
  crossed: boolean;
  proven: boolean;
}

export interface CacheOptions {
  /** The root (`--cache-dir`); undefined keeps everything in memory. */
  readonly directory?: string | undefined;
  /** What all contents may take on disk together, in bytes. */
  readonly limitBytes?: number;
  /** The same for what is held in memory; at least 20 MiB. Default 256 MiB without a directory, else 48 MiB. */
  readonly memoryBytes?: number;
  /** One line for a person: the disk is refused or in trouble. */
  readonly log?: (message: string) => void;
  /** Milliseconds; used for the order of eviction and for pauses only. */
  readonly now?: () => number;
  /** Names this boot of the kernel; null when there is nothing that does. */
  readonly bootId?: string | null;
  /** Descriptors of cache files open at once. */
  readonly maxOpenFiles?: number;
  /** Filling stops where less is free than either. */
  readonly freeSpace?: { readonly bytes: number; readonly ratio: number };
  /** Without writes for so long, what was written is synced. */
  readonly idleMs?: number;
  readonly files?: CacheFiles;
  /** A power of two, at least 128 KiB. */
  readonly segmentBytes?: number;
  readonly arenaBytes?: number;
}

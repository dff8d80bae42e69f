import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { createHasher, digestAlgorithm, type Digest, type Hasher } from "../../bytes/digest.ts";
import type { ByteRange } from "../../bytes/range.ts";
import type { ByteSink } from "../../bytes/source.ts";
import { isRiffleError, RiffleError } from "../../errors.ts";

/** Bytes to be saved, however they are had. */
export interface Content {
  /** Equal ids mean equal bytes: what is left of an earlier attempt goes on only under the same id. */
  readonly id: string;
  readonly size: number;
  /** Of all the bytes, where it is known: then nothing gets the final name that does not have it. */
  readonly digest: Digest | undefined;
  /** Gives every byte of `range` to `sink` in order; may give bytes behind it too. */
  readonly fetch: Fetch;
  /** The same past whatever is kept, for when what `fetch` gave was wrong. */
  readonly fetchAnew?: Fetch;
}

type Fetch = (range: ByteRange, sink: ByteSink, signal: AbortSignal | undefined) => Promise<void>;

export interface SaveOptions {
  readonly signal?: AbortSignal;
  /** Bytes that came in (also those found from an earlier attempt, as `resumed`). */
  readonly onBytes?: (bytes: number, resumed: boolean) => void;
  /** Bytes of one request. */
  readonly windowBytes?: number;
  /** Requests at once for one file. */
  readonly windows?: number;
}

export interface Saved {
  readonly fetchedBytes: number;
  readonly resumedBytes: number;
  readonly verified: boolean;
}

/**
 * A request that is long against any round trip, and short enough that what is under way (four for each of four files)
 * arrives within the default time limit on a link of 0.5 MB/s, and fits in memory.
 */
const WINDOW_BYTES = 2 * 1024 * 1024;
const WINDOWS = 4;
const COPY_BYTES = 1024 * 1024;
/** A time limit in which less than this part of a request came is no slow link: else a drip would go on for ever. */
const PROGRESS_PART = 1 / 32;

/** Beside the final name, hidden, bound to the content, and short enough whatever the name's length is. */
export function partPath(target: string, id: string): string {
  const key = createHash("sha256")
    .update(`${basename(target)}\0${id}`)
    .digest("hex")
    .slice(0, 24);
  return join(dirname(target), `.riffle-${key}.part`);
}

/** Appends in order of offset; what was written before is skipped. The file's length is always how far it is whole. */
class Appender {
  readonly #fd: number;
  readonly #size: number;
  readonly #hasher: Hasher | undefined;
  #length = 0;

  constructor(fd: number, size: number, hasher: Hasher | undefined) {
    this.#fd = fd;
    this.#size = size;
    this.#hasher = hasher;
  }

  get length(): number {
    return this.#length;
  }

  /** Takes over what an earlier attempt left, as far as it can be part of the content. */
  resume(): number {
    const found = fstatSync(this.#fd).size;
    if (found > this.#size) ftruncateSync(this.#fd, 0);
    else {
      const buffer = Buffer.allocUnsafe(COPY_BYTES);
      for (let bytes = -1; bytes !== 0 && this.#length < found; this.#length += bytes) {
        bytes = readSync(this.#fd, buffer, 0, buffer.length, this.#length);
        this.#hasher?.update(buffer.subarray(0, bytes));
      }
    }
    return this.#length;
  }

  /** The number of new bytes. A gap is a bug of the caller. */
  append(offset: number, bytes: Uint8Array): number {
    const skip = this.#length - offset;
    if (skip < 0) throw new RiffleError("internal", `a gap before offset ${offset}`);
    const fresh = bytes.subarray(Math.min(skip, bytes.length), Math.max(0, this.#size - offset));
    for (let done = 0; done < fresh.length;)
      done += writeSync(this.#fd, fresh, done, fresh.length - done, this.#length + done);
    this.#hasher?.update(fresh);
    this.#length += fresh.length;
    return fresh.length;
  }

  digest(): Digest | undefined {
    return this.#hasher?.digest();
  }
}

/** One request's bytes: straight to the file while it is the first in line, in memory until then. */
interface Window {
  readonly range: ByteRange;
  readonly chunks: { readonly offset: number; readonly bytes: Uint8Array }[];
  readonly done: Promise<Error | undefined>;
}

async function fillOnce(content: Content, appender: Appender, options: SaveOptions): Promise<void> {
  const { signal, onBytes, windowBytes = WINDOW_BYTES, windows: width = WINDOWS } = options;
  const queue: Window[] = [];
  const stop = new AbortController();
  const together = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  let next = appender.length;
  const append = (offset: number, bytes: Uint8Array): void => {
    const fresh = appender.append(offset, bytes);
    onBytes?.(fresh, false);
  };
  const drain = (window: Window): void => {
    for (const { offset, bytes } of window.chunks.splice(0)) append(offset, bytes);
  };
  const start = (): void => {
    const range = { start: next, end: Math.min(content.size, next + windowBytes) };
    next = range.end;
    const chunks: Window["chunks"] = [];
    const sink: ByteSink = (offset, bytes) => {
      if (queue[0] === window) append(offset, bytes);
      else if (offset < range.end) chunks.push({ offset, bytes: bytes.slice(0, range.end - offset) });
    };
    const attempt = async (): Promise<Error | undefined> => {
      try {
        await content.fetch(range, sink, together);
        return undefined;
      } catch (error) {
        return error instanceof Error ? error : new Error(String(error));
      }
    };
    const window: Window = { range, chunks, done: Promise.resolve().then(attempt) };
    queue.push(window);
  };
  try {
    // Alone at first: a registry that ignores ranges answers it with everything, and then one answer is enough.
    if (next < content.size) start();
    for (let head = queue[0]; head !== undefined; head = queue[0]) {
      drain(head);
      const error = await head.done;
      if (error !== undefined) throw error;
      drain(head);
      if (appender.length < head.range.end) throw new RiffleError("misbehaved", `${content.id} ended early`);
      queue.shift();
      next = Math.max(next, appender.length);
      while (queue.length > 0 && (queue[0]?.range.end ?? 0) <= appender.length) queue.shift();
      while (queue.length < width && next < content.size) start();
    }
  } finally {
    stop.abort();
    await Promise.all(queue.map(({ done }) => done));
  }
}

/** A time limit that ran out while bytes came says that the link is slow: then it goes on with one request at a time. */
async function fill(content: Content, appender: Appender, options: SaveOptions): Promise<void> {
  let adapted = options;
  for (;;) {
    const before = appender.length;
    try {
      await fillOnce(content, appender, adapted);
      return;
    } catch (error) {
      const progress = (options.windowBytes ?? WINDOW_BYTES) * PROGRESS_PART;
      const isSlow = isRiffleError(error) && error.code === "timeout" && appender.length - before >= progress;
      if (!isSlow) throw error;
      adapted = { ...options, windows: 1 };
    }
  }
}

async function attemptSave(content: Content, part: string, options: SaveOptions): Promise<Saved | "mismatch"> {
  const fd = openSync(part, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const { digest } = content;
    const hasher = digest === undefined ? undefined : createHasher(digestAlgorithm(digest));
    const appender = new Appender(fd, content.size, hasher);
    const resumedBytes = appender.resume();
    if (resumedBytes > 0) options.onBytes?.(resumedBytes, true);
    await fill(content, appender, options);
    const fetchedBytes = appender.length - resumedBytes;
    if (appender.digest() !== digest) return "mismatch";
    return { fetchedBytes, resumedBytes, verified: digest !== undefined };
  } finally {
    // Nothing came: there is nothing to go on from.
    if (fstatSync(fd).size === 0 && content.size > 0) rmSync(part, { force: true });
    closeSync(fd);
  }
}

/**
 * Saves `content` under `target`, going on where an earlier attempt stopped. The final name is given by a rename, once all
 * bytes are there and, where a digest is known, have it. Throws `verification` when they do not; what was interrupted
 * stays as a hidden `.part` file beside the target.
 */
export async function saveContent(content: Content, target: string, options: SaveOptions = {}): Promise<Saved> {
  const part = partPath(target, content.id);
  let saved = await attemptSave(content, part, options);
  if (saved === "mismatch") {
    // What an earlier attempt left may have been damaged since: the bytes get one fair try from the start.
    rmSync(part, { force: true });
    saved = await attemptSave({ ...content, fetch: content.fetchAnew ?? content.fetch }, part, options);
  }
  if (saved === "mismatch") {
    rmSync(part, { force: true });
    throw new RiffleError("verification", `the bytes for ${target} do not have the digest ${content.digest ?? ""}`, {
      facts: { target, expected: content.digest ?? "" },
    });
  }
  options.signal?.throwIfAborted();
  renameSync(part, target);
  return saved;
}

/** Whether what lies at `path` is the content: by digest where it is known. False when nothing lies there. */
export function isSaved(path: string, content: Pick<Content, "size" | "digest">): boolean {
  if (content.digest === undefined || !existsSync(path)) return false;
  const fd = openSync(path, constants.O_RDONLY);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size !== content.size) return false;
    const hasher = createHasher(digestAlgorithm(content.digest));
    const buffer = Buffer.allocUnsafe(COPY_BYTES);
    let at = 0;
    for (;;) {
      const bytes = readSync(fd, buffer, 0, buffer.length, at);
      if (bytes === 0) return hasher.digest() === content.digest;
      hasher.update(buffer.subarray(0, bytes));
      at += bytes;
    }
  } finally {
    closeSync(fd);
  }
}

import { RiffleError } from "../../errors.ts";
import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource } from "../../bytes/source.ts";
import type { ArchiveListing } from "../archive-listing.ts";
import { MemberTree } from "./member-tree.ts";
import { Strides } from "./strides.ts";
import { TarReader } from "./tar-reader.ts";

export interface ScanOptions {
  /** What a gap may weigh to be worth a request: contents below it are read through. */
  readonly gapBytes: () => number;
  readonly signal?: AbortSignal;
  /** Called as the scan moves on, with the bytes of the archive that lie behind it. */
  readonly onProgress?: (bytes: number) => void;
}

/** The unit of the cache: less costs the same. */
const PAGE_BYTES = 4096;
/** Of a stream over small contents: it begins with this, and doubles up to the most. */
const FIRST_WINDOW_BYTES = 256 * 1024;
const MOST_WINDOW_BYTES = 2 * 1024 * 1024;
/** Contents that repeat are skipped from here on: a page for each header is then an eighth of the bytes at most. */
const SKIPPED_BYTES = 32 * 1024;
/** As many requests as one blob gets. */
const MOST_GUESSES = 8;
/** The present one, and the one before: what is wanted may begin in it. */
const KEPT_WINDOWS = 2;

/**
 * Lists a tar archive without its contents. Where contents are large, only the pages with headers are read, several at once
 * where their places can be guessed; where they are small, everything is. `source` should not read ahead or join ranges:
 * this decides. Rejects `malformed` for what is no sound archive.
 */
export async function scanTar(source: RangeSource, options: ScanOptions): Promise<ArchiveListing> {
  const reader = new TarReader(source.size);
  const tree = new MemberTree();
  const scan = new Scan(source, options);
  try {
    let last = 0;
    for (let wanted = reader.wanted; wanted !== undefined; wanted = reader.wanted) {
      const bytes = scan.held(wanted) ?? (await scan.read(wanted));
      const member = reader.give(bytes);
      if (member === undefined) continue;
      tree.add(member);
      const next = reader.wanted?.start ?? source.size;
      scan.passed({ start: last, end: next }, member.offset - last);
      last = next;
    }
    return tree.listing();
  } finally {
    scan.end();
  }
}

interface Window {
  readonly start: number;
  readonly bytes: Uint8Array;
}

interface Guess {
  readonly range: ByteRange;
  readonly bytes: Promise<Uint8Array>;
}

/** What was read of one archive, what is under way, and what to read next. */
class Scan {
  readonly #source: RangeSource;
  readonly #options: ScanOptions;
  readonly #strides = new Strides();
  /** Ends what was guessed and is not wanted any more. */
  #stop = new AbortController();
  readonly #onAbort = (): void => this.#stop.abort(this.#options.signal?.reason);
  #windows: readonly Window[] = [];
  #guesses: readonly Guess[] = [];
  #windowBytes = FIRST_WINDOW_BYTES;
  /** How far ahead is guessed: more with each guess that was right. */
  #reach = 2;
  /** Bytes of headers that a member may need. */
  #headerBytes = 512;

  constructor(source: RangeSource, options: ScanOptions) {
    this.#source = source;
    this.#options = options;
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal?.aborted === true) this.#onAbort();
  }

  held(range: ByteRange): Uint8Array | undefined {
    const window = this.#windows.find(({ start, bytes }) => start <= range.start && range.end <= start + bytes.length);
    return window?.bytes.subarray(range.start - window.start, range.end - window.start);
  }

  /** A member and its content lie behind: its stride, and how much of it was headers. */
  passed(stride: ByteRange, headerBytes: number): void {
    this.#strides.saw(stride.end - stride.start);
    this.#headerBytes = Math.min(PAGE_BYTES, headerBytes);
    this.#options.onProgress?.(stride.end);
    this.#weigh(stride.end);
    if (this.#isSkipping && this.held({ start: stride.end, end: stride.end + 512 }) === undefined) {
      this.#guess(stride.end);
    }
  }

  async read(wanted: ByteRange): Promise<Uint8Array> {
    const guess = this.#guesses.find(({ range }) => range.start <= wanted.start && wanted.end <= range.end);
    const window = guess ?? this.#start(this.#rangeFor(wanted));
    this.#windows = [...this.#windows, { start: window.range.start, bytes: await window.bytes }].slice(-KEPT_WINDOWS);
    const bytes = this.held(wanted);
    if (bytes === undefined)
      throw new RiffleError("internal", `a window of ${this.#source.id} does not hold its range`);
    return bytes;
  }

  /** Nobody waits for what was guessed beyond the end. */
  end(): void {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#stop.abort();
  }

  get #isSkipping(): boolean {
    const usual = this.#strides.usual;
    if (usual === undefined || usual >= this.#options.gapBytes()) return true;
    return usual >= SKIPPED_BYTES && this.#strides.next(1).length > 0;
  }

  /** The next header is known to lie at `at`: whoever guessed that may guess farther, whoever did not begins anew. */
  #weigh(at: number): void {
    this.#guesses = this.#guesses.filter(({ range }) => range.end > at);
    if (this.#guesses.length === 0) return;
    if (this.#guesses.some(({ range }) => range.start <= at)) {
      this.#reach = Math.min(MOST_GUESSES, this.#reach * 2);
      return;
    }
    this.#reach = 2;
    this.#guesses = [];
    this.#stop.abort();
    this.#stop = new AbortController();
    if (this.#options.signal?.aborted === true) this.#onAbort();
  }

  #rangeFor(wanted: ByteRange): ByteRange {
    if (this.#isSkipping) {
      this.#windowBytes = FIRST_WINDOW_BYTES;
      return this.#pages({ start: wanted.start, end: Math.max(wanted.end, wanted.start + this.#headerBytes) });
    }
    const end = Math.max(wanted.end, wanted.start + this.#windowBytes);
    this.#windowBytes = Math.min(MOST_WINDOW_BYTES, this.#windowBytes * 2);
    return this.#pages({ start: wanted.start, end });
  }

  /** Asks for the headers at `at`, and for those that should follow. */
  #guess(at: number): void {
    const strides = this.#strides.next(this.#reach);
    let start = at;
    for (const stride of strides) {
      if (start + 512 > this.#source.size) return;
      const isAsked = this.#guesses.some(({ range }) => range.start <= start && start < range.end);
      if (!isAsked && this.#guesses.length < MOST_GUESSES) {
        const range = this.#pages({ start, end: start + this.#headerBytes });
        this.#guesses = [...this.#guesses, this.#start(range)];
      }
      start += stride;
    }
  }

  #start(range: ByteRange): Guess {
    const bytes = this.#source.read(range, { signal: this.#stop.signal });
    // A guess that nobody comes to wait for fails for nobody.
    bytes.catch(() => undefined);
    return { range, bytes };
  }

  #pages({ start, end }: ByteRange): ByteRange {
    return {
      start: Math.floor(start / PAGE_BYTES) * PAGE_BYTES,
      end: Math.min(this.#source.size, Math.ceil(end / PAGE_BYTES) * PAGE_BYTES),
    };
  }
}

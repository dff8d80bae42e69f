import { digestAlgorithm, type Digest } from "../bytes/digest.ts";
import { alignToPages, clip, isEmpty, PAGE_BYTES, rangeLength, type ByteRange } from "../bytes/range.ts";
import type { Body } from "./body.ts";
import type { CacheEntry, Proof } from "./cache.ts";
import { errorCode } from "./files.ts";
import type { HashThread } from "./hash-thread.ts";
import type { MemoryPages } from "./memory-pages.ts";
import { bytesOf, pageCount, pagesOf } from "./page-map.ts";

/** After the disk refused bytes, how long an entry goes on in memory before it is asked again. */
const RETRY_AFTER_MS = 60_000;
/** Copied out of memory at a time while hashing. */
const HASH_BYTES = 256 * 1024;
const NONE: readonly ByteRange[] = Object.freeze([]);

export interface EntryHost {
  readonly now: () => number;
  readonly hashing: HashThread;
  /** False while the cache is over its budget or the file system nearly full. */
  mayFill(): boolean;
  trouble(code: string): void;
  wrote(bytes: number): void;
  used(entry: Entry): void;
  closed(entry: Entry): Promise<void>;
}

export interface EntryOptions {
  readonly key: string;
  readonly size: number;
  readonly memory: MemoryPages;
  readonly host: EntryHost;
}

/** One content: its body (none without a disk), and what is held of it in memory where the body takes nothing. */
export class Entry implements CacheEntry {
  readonly id: string;
  readonly size: number;
  /** What the cache finds it by. */
  readonly key: string;
  readonly #host: EntryHost;
  readonly #memory: MemoryPages;
  readonly #listeners: (() => void)[] = [];
  #body: Body | undefined;
  #opens = 1;
  #retryAt = 0;
  #provenInMemory = false;
  #announced = false;
  #discards = 0;

  constructor(id: string, options: EntryOptions) {
    this.id = id;
    this.key = options.key;
    this.size = options.size;
    this.#memory = options.memory;
    this.#host = options.host;
  }

  /** Set once, right after construction: the body reports back to its entry. */
  attachBody(body: Body): void {
    this.#body = body;
  }

  get isOpen(): boolean {
    return this.#opens > 0;
  }

  get proof(): Proof {
    const body = this.#body?.state();
    if (body?.proof === "full") return "full";
    const inMemory = this.#memory.heldPages;
    if (this.#provenInMemory && (body === undefined || body.heldPages === 0)) return "full";
    const chunk = (inMemory === 0 || this.#memory.allVerified) && (body?.heldPages ?? 0) + inMemory > 0;
    return chunk && (body === undefined || body.heldPages === 0 || body.proof === "chunk") ? "chunk" : "transport";
  }

  get heldBytes(): number {
    const body = this.#body?.state();
    if (body?.complete === true) return this.size;
    return Math.min(this.size, ((body?.heldPages ?? 0) + this.#memory.heldPages) * PAGE_BYTES);
  }

  get slot(): number {
    return this.isOpen ? (this.#body?.slot.handle ?? 0) : 0;
  }

  missing(range: ByteRange): readonly ByteRange[] {
    const wanted = alignToPages(clip(range, this.size), this.size);
    if (isEmpty(wanted)) return NONE;
    if (!this.isOpen) return [wanted];
    const pages = pagesOf(wanted);
    let absent = this.#body?.absent(pages) ?? [pages];
    if (absent.length === 0) return NONE;
    absent = this.#inNeither(absent);
    if (absent.length === 0) return NONE;
    if (this.#body !== undefined) absent = this.#inNeither(this.#body.absent(pages, { look: true }));
    return absent.map((run) => bytesOf(run, this.size));
  }

  async read(range: ByteRange): Promise<Uint8Array | undefined> {
    const wanted = clip(range, this.size);
    if (isEmpty(wanted)) return new Uint8Array(0);
    if (this.missing(wanted).length > 0) return undefined;
    // Not a Buffer: the `slice` of one does not copy.
    const target = new Uint8Array(Buffer.allocUnsafeSlow(rangeLength(wanted)).buffer);
    const fromBody = this.#fromMemory(wanted, target);
    if (fromBody === undefined) return undefined;
    this.#host.used(this);
    for (const part of fromBody) {
      const into = target.subarray(part.start - wanted.start, part.end - wanted.start);
      if (this.#body === undefined || !(await this.#body.read(part, into))) return undefined;
    }
    return target;
  }

  async write(offset: number, bytes: Uint8Array, options: { readonly verified?: boolean } = {}): Promise<void> {
    const whole = wholePages(offset, { length: bytes.length, size: this.size });
    if (!this.isOpen || isEmpty(whole)) return;
    const part = bytes.subarray(whole.start - offset, whole.end - offset);
    const verified = options.verified === true;
    const discards = this.#discards;
    const kept = await this.#writeToBody(whole.start, part, verified);
    if (!kept && this.isOpen && discards === this.#discards) {
      if (!verified) this.#provenInMemory = false;
      this.#memory.write(whole.start, part, { verified });
    }
    this.changed();
  }

  async verify(digest: Digest, signal?: AbortSignal): Promise<"full" | "incomplete" | "mismatch"> {
    if (this.proof === "full") return "full";
    const discards = this.#discards;
    const parts = await this.#body?.proving.parts();
    if (parts === undefined && this.missing({ start: 0, end: this.size }).length > 0) return "incomplete";
    const job = { algorithm: digestAlgorithm(digest), ...(signal === undefined ? {} : { signal }) };
    const actual = await (parts === undefined
      ? this.#host.hashing.hashBytes({ ...job, chunks: this.#chunks() })
      : this.#host.hashing.hashFiles({ ...job, parts }));
    if (actual === undefined || discards !== this.#discards || !this.isOpen) return "incomplete";
    if (actual !== digest) {
      this.discard();
      return "mismatch";
    }
    if (parts === undefined || parts.length === 0) this.#provenInMemory = true;
    else for (const part of parts) if (!(await part.prove())) return "incomplete";
    return "full";
  }

  discard(): void {
    this.#discards += 1;
    this.#announced = false;
    this.#provenInMemory = false;
    this.#memory.clear();
    this.#body?.proving.discard();
  }

  setMarks(offsets: readonly number[]): void {
    this.#body?.slot.setMarks(offsets);
  }

  backing(): { readonly fd: number; readonly path: string } | undefined {
    return this.isOpen ? this.#body?.proving.backing() : undefined;
  }

  onComplete(listener: () => void): void {
    this.#listeners.push(listener);
    if (this.#announced) queueMicrotask(listener);
    else this.changed();
  }

  close(): void {
    if (this.#opens === 0) return;
    this.#opens -= 1;
    if (this.#opens > 0) return;
    this.#memory.clear();
    void this.#host.closed(this);
  }

  /** One more user. */
  reopen(): this {
    this.#opens += 1;
    return this;
  }

  /** Ends it whoever has it open. */
  end(): void {
    this.#opens = Math.min(this.#opens, 1);
    this.close();
  }

  /** Writes out and lets go of the body, for the cache. */
  async settle(): Promise<void> {
    await this.#body?.proving.close();
  }

  /** Looks whether everything has come to be held, and says so once. */
  changed(): void {
    const body = this.#body;
    if (!this.isOpen || this.#listeners.length === 0) return;
    const pages = pageCount(this.size);
    // What nobody looked at yet says so when somebody does.
    const onDisk = body?.state({ look: false });
    const complete =
      onDisk?.complete === true ||
      ((onDisk?.heldPages ?? 0) + this.#memory.heldPages >= pages &&
        this.#inNeither(body?.absent({ start: 0, end: pages }) ?? [{ start: 0, end: pages }]).length === 0);
    if (!complete) this.#announced = false;
    else if (!this.#announced) {
      this.#announced = true;
      for (const listener of this.#listeners) queueMicrotask(listener);
    }
  }

  #inNeither(absent: readonly ByteRange[]): readonly ByteRange[] {
    return this.#memory.heldPages === 0 ? absent : absent.flatMap((run) => this.#memory.absent(run));
  }

  /** Copies what only memory has; returns what the body has, or undefined when a block went away. */
  #fromMemory(wanted: ByteRange, target: Uint8Array): readonly ByteRange[] | undefined {
    const absent = this.#body?.absent(pagesOf(wanted)) ?? [pagesOf(wanted)];
    const rest: ByteRange[] = [];
    let start = wanted.start;
    for (const run of absent) {
      const bytes = bytesOf(run, this.size);
      const part = { start: Math.max(wanted.start, bytes.start), end: Math.min(wanted.end, bytes.end) };
      if (part.start > start) rest.push({ start, end: part.start });
      start = part.end;
      if (!this.#memory.readInto(part, target.subarray(part.start - wanted.start, part.end - wanted.start)))
        return undefined;
    }
    if (start < wanted.end) rest.push({ start, end: wanted.end });
    return rest;
  }

  async #writeToBody(offset: number, bytes: Uint8Array, verified: boolean): Promise<boolean> {
    const wait = this.#retryAt - this.#host.now();
    // Longer than any wait we set: the clock was put back.
    const waiting = wait > 0 && wait <= RETRY_AFTER_MS;
    if (this.#body === undefined || waiting || !this.#host.mayFill()) return false;
    try {
      const kept = await this.#body.write(offset, bytes, { verified });
      if (kept) this.#host.wrote(bytes.length);
      return kept;
    } catch (error) {
      this.#retryAt = this.#host.now() + RETRY_AFTER_MS;
      this.#host.trouble(errorCode(error));
      return false;
    }
  }

  async *#chunks(): AsyncGenerator<Uint8Array, boolean> {
    for (let start = 0; start < this.size; start += HASH_BYTES) {
      const bytes = await this.read({ start, end: start + HASH_BYTES });
      if (bytes === undefined) return false;
      yield bytes;
    }
    return true;
  }
}

/** The whole pages of `[offset, offset + length)`; the content's last page may be short. */
function wholePages(offset: number, of: { readonly length: number; readonly size: number }): ByteRange {
  const start = Math.ceil(offset / PAGE_BYTES) * PAGE_BYTES;
  const end = Math.min(offset + of.length, of.size);
  return { start, end: end === of.size ? end : Math.floor(end / PAGE_BYTES) * PAGE_BYTES };
}

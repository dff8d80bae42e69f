import type { CachedSource } from "../fetch/cached-source.ts";
import type { ByteRange } from "../bytes/range.ts";
import type { CacheEntry, Proof } from "../cache/cache.ts";
import type { Digest } from "../bytes/digest.ts";
import { RiffleError } from "../errors.ts";
import type { FormatHint } from "../formats/formats.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { ReadOutcome } from "./accounting.ts";
import type { AheadOptions, ContentExtents } from "./content-extents.ts";
import type { ReadFrom } from "./served.ts";

/** A content that is wrong once may have been cut by a proxy; one that is wrong twice is wrong. */
const MISMATCHES_UNTIL_REFUSED = 2;

/** How often the blobs of an artifact were wrong. It outlives their contents, which close when nobody reads. */
export type Mismatches = Map<Digest, number>;

export interface ContentParts {
  readonly descriptor: Descriptor;
  readonly entry: CacheEntry;
  readonly source: CachedSource;
  readonly mismatches: Mismatches;
  /** Absent where files are not looked into. */
  readonly extents?: ContentExtents;
  /** Leaves whoever gave wrong bytes; true when others are asked from then on, whose bytes may be right. */
  readonly distrust?: () => boolean;
  /** A wrong blob, told once for each time. */
  readonly onMismatch: (error: RiffleError) => void;
  /** The slot or the proof may have changed. */
  readonly onChange: () => void;
}

/**
 * One blob as files see it: reads through the cache, and the proof of the whole once all of it is held. A blob that does
 * not have its digest is fetched once more and then refused.
 */
export class Content {
  readonly descriptor: Descriptor;
  readonly #parts: ContentParts;
  #refused: RiffleError | undefined;
  #closed = false;

  constructor(parts: ContentParts) {
    this.descriptor = parts.descriptor;
    this.#parts = parts;
    if (this.#times >= MISMATCHES_UNTIL_REFUSED) this.#refused = this.#wrong();
    parts.entry.onComplete(() => void this.#prove());
    if (parts.entry.missing({ start: 0, end: parts.entry.size }).length === 0) void this.#prove();
  }

  get proof(): Proof {
    return this.#parts.entry.proof;
  }

  get heldBytes(): number {
    return this.#parts.entry.heldBytes;
  }

  /** Where device threads find it; 0 while they must ask. */
  get slot(): number {
    return this.#refused === undefined ? this.#parts.entry.slot : 0;
  }

  /** The one local file that holds all of it, once it is proven. */
  get provenFile(): number | undefined {
    return this.proof === "full" && this.#refused === undefined ? this.#parts.entry.backing()?.fd : undefined;
  }

  /** Whether a name could still tell the format. */
  get wantsName(): boolean {
    return this.#parts.extents?.isUnnamed === true;
  }

  /** A file that is all of this content is opened under this name: what is known of its format will serve its reads. */
  named(name: string): void {
    if (this.#refused === undefined) this.#parts.extents?.named({ name, mediaType: this.descriptor.mediaType });
  }

  async read(range: ByteRange, from: ReadFrom): Promise<{ readonly bytes: Uint8Array; readonly outcome: ReadOutcome }> {
    if (this.#refused !== undefined) throw this.#refused;
    const proven = this.proof !== "transport";
    let fromCache = 0;
    const bytes = await this.#parts.source.read(range, {
      onOutcome: (outcome) => (fromCache = outcome.fromCache),
      ...(from.isPlanned === true ? {} : { handle: from.handle }),
      ...(from.id === undefined ? {} : { id: from.id }),
      ...(from.signal === undefined ? {} : { signal: from.signal }),
      ...(from.priority === undefined ? {} : { priority: from.priority }),
    });
    this.#parts.onChange();
    if (from.isPlanned !== true) this.#parts.extents?.seen(range, bytes);
    // What a damaged file made us fetch again is not what was proven.
    return { bytes, outcome: { bytes: bytes.length, fromCache, proven: proven ? fromCache : 0 } };
  }

  /** Brings a part into the cache that nobody has asked for yet: counted nowhere, and after everything that is asked for. */
  async fill(range: ByteRange, signal: AbortSignal): Promise<void> {
    if (this.#refused !== undefined) throw this.#refused;
    const missing = this.#parts.entry.missing(range);
    if (missing.length === 0) return;
    await this.#parts.source.readMany(missing, { priority: "prefetch", signal });
    this.#parts.onChange();
  }

  /** The same for what the format of a file of this name reads first; `take` is asked before each read. */
  async hinted(hint: FormatHint, options: AheadOptions): Promise<void> {
    if (this.#refused === undefined) await this.#parts.extents?.readAhead(hint, options);
  }

  touched(range: ByteRange, handle: number): void {
    this.#parts.source.touched(range, handle);
  }

  /** One open file less: what was to be read ahead for it alone no longer is. */
  closed(handle: number): void {
    this.#parts.source.release(handle);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#parts.extents?.close();
    await this.#parts.source.close();
    this.#parts.entry.close();
  }

  async #prove(): Promise<void> {
    const { entry, descriptor } = this.#parts;
    if (entry.proof === "full" || this.#closed || entry.size === 0) return;
    const verdict = await entry.verify(descriptor.digest).catch(() => "incomplete" as const);
    if (this.#closed) return;
    if (verdict === "mismatch") this.#mismatch();
    this.#parts.onChange();
  }

  get #times(): number {
    return this.#parts.mismatches.get(this.descriptor.digest) ?? 0;
  }

  #wrong(): RiffleError {
    const { digest } = this.descriptor;
    const again = this.#times < MISMATCHES_UNTIL_REFUSED;
    return new RiffleError("verification", `the bytes of ${digest} do not have that digest`, {
      hint: again
        ? "thrown away; the next read fetches them anew"
        : "the registry's copy is damaged; its bytes are refused",
      facts: { digest, times: this.#times },
    });
  }

  #mismatch(): void {
    const hasOthers = this.#parts.distrust?.() === true;
    if (!hasOthers) this.#parts.mismatches.set(this.descriptor.digest, this.#times + 1);
    const error = this.#wrong();
    if (this.#times >= MISMATCHES_UNTIL_REFUSED) this.#refused = error;
    this.#parts.onMismatch(error);
  }
}

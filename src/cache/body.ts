import type { ByteRange } from "../bytes/range.ts";
import type { Proof } from "./cache.ts";
import type { HeldFiles } from "./descriptors.ts";

/** A stretch of a content that lies in one file, from the file's first byte. */
export interface BodyPart {
  readonly length: number;
  /** Opens the file; undefined when it went away. `release` it. */
  readonly hold: () => HeldFiles | undefined;
  /** Remembers that the whole, of which this is a part, had its digest; false when the bytes were replaced since. */
  readonly prove: () => Promise<boolean>;
}

export interface BodyState {
  readonly heldPages: number;
  readonly complete: boolean;
  readonly proof: Proof;
}

/** Where an entry's bytes lie outside of memory. Nothing here rejects or throws but `write`. */
export interface Body {
  readonly slot: SlotHand;
  /** What is held; opens what was not looked at yet, unless `look` is false. */
  state(options?: { readonly look: boolean }): BodyState;
  /** Runs of pages that are not held; `look` first takes in what others added. */
  absent(pages: ByteRange, options?: { readonly look: boolean }): readonly ByteRange[];
  /** Exactly `range`, whose pages are held; false when they turn out not to be. */
  read(range: ByteRange, target: Uint8Array): Promise<boolean>;
  /** Throws when the disk refuses; false when the bytes were thrown away in between. */
  write(offset: number, bytes: Uint8Array, options: { readonly verified: boolean }): Promise<boolean>;
  readonly proving: Proving;
}

interface SlotHand {
  readonly handle: number;
  setMarks(offsets: readonly number[]): void;
}

/** What `verify`, `discard`, `backing` and `close` need of a body. */
export interface Proving {
  /** All files of a complete content in order, when no write is under way; undefined when it is not complete. */
  parts(): Promise<readonly BodyPart[] | undefined>;
  backing(): { readonly fd: number; readonly path: string } | undefined;
  discard(): void;
  close(): Promise<void>;
}

/** What a body tells its entry. */
export interface BodyListener {
  changed(): void;
}

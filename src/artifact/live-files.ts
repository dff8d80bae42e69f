/** The texts behind the rows that change: a name of `.oci/` and how to make its present content. */
export type LiveTexts = Readonly<Record<string, () => string>>;

/**
 * Live files as readers see them: each open has the content of the moment it was opened, so that a reader that goes
 * piece by piece never sees two moments.
 */
export class LiveFiles {
  readonly #texts: LiveTexts;
  readonly #snapshots = new Map<number, Uint8Array>();
  readonly #encoder = new TextEncoder();

  constructor(texts: LiveTexts) {
    this.#texts = texts;
  }

  now(name: string): Uint8Array {
    return this.#encoder.encode(this.#texts[name]?.() ?? "");
  }

  open(name: string, handle: number): void {
    this.#snapshots.set(handle, this.now(name));
  }

  /** What `handle` saw when it opened; the present content for a handle that is not known. */
  opened(name: string, handle: number): Uint8Array {
    return this.#snapshots.get(handle) ?? this.now(name);
  }

  release(handle: number): void {
    this.#snapshots.delete(handle);
  }
}

import type { HeldFiles } from "./descriptors.ts";
import type { CacheFiles } from "./files.ts";

interface Waiting {
  readonly held: HeldFiles;
  readonly bytes: readonly Buffer[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Appends records to a log, those that wait together in one write. */
export class RecordAppender {
  readonly #files: CacheFiles;
  readonly #onTorn: () => void;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  /** `onTorn` is called when a write ended in the middle, so that nothing behind it can be read. */
  constructor(files: CacheFiles, onTorn: () => void) {
    this.#files = files;
    this.#onTorn = onTorn;
  }

  append(held: HeldFiles, bytes: readonly Buffer[]): Promise<void> {
    held.hold();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ held, bytes, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** Resolves when nothing waits; never rejects. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0];
      const count = this.#waiting.findIndex((waiting) => waiting.held !== first?.held);
      const group = this.#waiting.splice(0, count < 0 ? this.#waiting.length : count);
      await this.#write(group);
    }
    this.#running = undefined;
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    try {
      const bytes = Buffer.concat(group.flatMap((waiting) => waiting.bytes));
      const written = await this.#files.write(group[0]?.held.log ?? -1, bytes, null);
      if (written !== bytes.length) {
        this.#onTorn();
        throw new Error("the log took only a part");
      }
      for (const waiting of group) waiting.resolve();
    } catch (error) {
      for (const waiting of group) waiting.reject(error);
    } finally {
      for (const waiting of group) waiting.held.release();
    }
  }
}

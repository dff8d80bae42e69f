import type { Digest } from "../bytes/digest.ts";
import { RiffleError } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Content } from "./content.ts";

/** A reader that closes and opens again (GDAL does for each overview) finds its content still open. */
const IDLE_MS = 2000;

interface Open {
  readonly content: Content;
  readonly sources: readonly number[];
  users: number;
  idle: NodeJS.Timeout | undefined;
}

export interface ContentsOptions {
  /** Blob of each source by number; undefined where a source is not a blob. */
  readonly descriptors: readonly (Descriptor | undefined)[];
  /** Cache slot of each source, read by device threads. */
  readonly slots: Int32Array;
  /** Makes the content of a blob; `onChange` is to be called when its slot may have changed. */
  readonly create: (descriptor: Descriptor, onChange: () => void) => Content;
}

/**
 * The blobs of an artifact that are in use. A content is opened by its first user and closed a moment after its last, so
 * that an artifact of ten thousand layers holds what is read, and the cache may evict the rest.
 */
export class Contents {
  readonly #options: ContentsOptions;
  readonly #open = new Map<Digest, Open>();
  readonly #sourcesOf = new Map<Digest, number[]>();
  #closed = false;

  constructor(options: ContentsOptions) {
    this.#options = options;
    for (const [source, descriptor] of options.descriptors.entries()) {
      if (descriptor === undefined) continue;
      const same = this.#sourcesOf.get(descriptor.digest);
      if (same === undefined) this.#sourcesOf.set(descriptor.digest, [source]);
      else same.push(source);
    }
  }

  /** The content of `source` for one more user; each `acquire` has its `release`. */
  acquire(source: number): Content {
    if (this.#closed) throw new RiffleError("closed", "the artifact is closed");
    const descriptor = this.#options.descriptors[source];
    if (descriptor === undefined) throw new RiffleError("internal", `source ${source} is not a blob`);
    const open = this.#open.get(descriptor.digest) ?? this.#create(descriptor);
    clearTimeout(open.idle);
    open.idle = undefined;
    open.users += 1;
    publish(open, this.#options.slots);
    return open.content;
  }

  release(content: Content): void {
    const open = this.#open.get(content.descriptor.digest);
    if (open === undefined || open.content !== content) return;
    open.users -= 1;
    if (open.users > 0) return;
    open.idle = setTimeout(() => void this.#close(open), IDLE_MS);
    open.idle.unref();
  }

  /** The content of `source` if someone has it open. */
  peek(source: number): Content | undefined {
    const descriptor = this.#options.descriptors[source];
    return descriptor === undefined ? undefined : this.#open.get(descriptor.digest)?.content;
  }

  /** Ends all reads and closes all contents. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#open.values()].map((open) => this.#close(open)));
  }

  #create(descriptor: Descriptor): Open {
    const sources = this.#sourcesOf.get(descriptor.digest) ?? [];
    const content = this.#options.create(descriptor, () => {
      const open = this.#open.get(descriptor.digest);
      if (open !== undefined) publish(open, this.#options.slots);
    });
    const open: Open = { content, sources, users: 0, idle: undefined };
    this.#open.set(descriptor.digest, open);
    return open;
  }

  async #close(open: Open): Promise<void> {
    clearTimeout(open.idle);
    this.#open.delete(open.content.descriptor.digest);
    for (const source of open.sources) Atomics.store(this.#options.slots, source, 0);
    await open.content.close();
  }
}

function publish(open: Open, slots: Int32Array): void {
  const slot = open.content.slot;
  for (const source of open.sources) {
    if (slots[source] !== slot) Atomics.store(slots, source, slot);
  }
}

import type { CacheFiles } from "./files.ts";
import type { Quarantine } from "./quarantine.ts";

/** Who has files open and can do without. */
export interface DescriptorOwner {
  /** Lets go of the files; the next use opens them again. */
  giveUp(): void;
  /** Whether a reader thread used them since the last time this was asked. */
  wasUsed(): boolean;
}

/** Bounds the open files of the cache: who was idle longest gives up its own. */
export class Descriptors {
  readonly #limit: number;
  readonly #owners = new Map<DescriptorOwner, number>();
  #open = 0;

  constructor(limit: number) {
    this.#limit = Math.max(4, limit);
  }

  /** Descriptors that owners hold; those being closed are not counted. */
  get open(): number {
    return this.#open;
  }

  /** Makes room for `count` more, and notes that `owner` has them. */
  add(owner: DescriptorOwner, count: number): void {
    const spared = new Set<DescriptorOwner>();
    for (const [idle] of this.#owners) {
      if (this.#open + count <= this.#limit) break;
      if (!spared.has(idle) && idle.wasUsed()) {
        spared.add(idle);
        this.touch(idle);
        continue;
      }
      this.remove(idle);
      idle.giveUp();
    }
    this.#owners.set(owner, count);
    this.#open += count;
  }

  touch(owner: DescriptorOwner): void {
    const count = this.#owners.get(owner);
    if (count === undefined) return;
    this.#owners.delete(owner);
    this.#owners.set(owner, count);
  }

  remove(owner: DescriptorOwner): void {
    this.#open -= this.#owners.get(owner) ?? 0;
    this.#owners.delete(owner);
  }
}

/** Descriptors that close when nobody needs them: no operation of this thread, and no reader that may have seen them. */
export class HeldFiles {
  readonly data: number;
  readonly log: number;
  readonly #files: CacheFiles;
  readonly #quarantine: Quarantine;
  #holds = 1;

  constructor(
    fds: { readonly data: number; readonly log?: number },
    use: { files: CacheFiles; quarantine: Quarantine },
  ) {
    this.data = fds.data;
    this.log = fds.log ?? -1;
    this.#files = use.files;
    this.#quarantine = use.quarantine;
  }

  hold(): this {
    this.#holds += 1;
    return this;
  }

  /** The first owner's release is its giving up; it has hidden `data` from readers before. */
  release(): void {
    this.#holds -= 1;
    if (this.#holds > 0) return;
    this.#quarantine.after(() => {
      this.#files.close(this.data);
      if (this.log >= 0) this.#files.close(this.log);
    });
  }
}

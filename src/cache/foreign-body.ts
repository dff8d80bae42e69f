import { constants, fstatSync } from "node:fs";
import { PAGE_BYTES, type ByteRange } from "../bytes/range.ts";
import type { Arena } from "./arena.ts";
import type { Body, BodyPart, BodyState, Proving } from "./body.ts";
import { HeldFiles, type DescriptorOwner } from "./descriptors.ts";
import { readFully } from "./files.ts";
import { pageCount } from "./page-map.ts";
import { SharedSlot } from "./shared-slot.ts";
import type { UnitHost } from "./unit-life.ts";

/** A content in a file of somebody else's: all of it is held, as far as the file goes, and nothing is ever written. */
export class ForeignBody implements Body, Proving, DescriptorOwner {
  readonly slot: SharedSlot;
  readonly #path: string;
  readonly #size: number;
  readonly #host: UnitHost;
  #available: number;
  #open: HeldFiles | undefined;
  #identity: string | undefined;
  #full = false;

  constructor(path: string, options: { readonly size: number; readonly host: UnitHost; readonly arena: Arena }) {
    this.#path = path;
    this.#size = options.size;
    this.#host = options.host;
    this.#available = 0;
    const opened = this.#tryOpen();
    this.#available = Math.min(opened?.size ?? 0, options.size);
    const available = this.#available;
    this.slot = new SharedSlot(options.arena, {
      quarantine: options.host.quarantine,
      shape: { kind: "whole", size: options.size, available },
    });
    if (this.#open !== undefined) this.slot.setFile(this.#open.data);
  }

  get proving(): Proving {
    return this;
  }

  state(): BodyState {
    const complete = this.#available === this.#size;
    return {
      heldPages: complete ? pageCount(this.#size) : this.#wholePages(),
      complete,
      proof: this.#full && complete ? "full" : "transport",
    };
  }

  absent(pages: ByteRange): readonly ByteRange[] {
    const held = this.#available === this.#size ? pageCount(this.#size) : this.#wholePages();
    return pages.end <= held ? [] : [{ start: Math.max(pages.start, held), end: pages.end }];
  }

  async read(range: ByteRange, target: Uint8Array): Promise<boolean> {
    const held = this.hold();
    if (held === undefined) return false;
    try {
      if (await readFully(this.#host.files, held.data, { target, position: range.start })) return true;
    } catch {
      // The same as a file that ends too early.
    } finally {
      held.release();
    }
    this.discard();
    return false;
  }

  write(): Promise<boolean> {
    return Promise.resolve(false);
  }

  setMarks(offsets: readonly number[]): void {
    this.slot.setMarks(offsets);
  }

  async parts(): Promise<readonly BodyPart[] | undefined> {
    if (this.#available !== this.#size) return undefined;
    return [{ length: this.#size, hold: () => this.hold(), prove: () => Promise.resolve(this.#prove()) }];
  }

  backing(): { readonly fd: number; readonly path: string } | undefined {
    if (this.#available !== this.#size) return undefined;
    const held = this.hold();
    held?.release();
    return held === undefined ? undefined : { fd: held.data, path: this.#path };
  }

  /** The file stays; nothing of it is believed any more. */
  discard(): void {
    this.#available = 0;
    this.#full = false;
    this.slot.setProof("transport");
    this.#host.descriptors.remove(this);
    this.giveUp();
  }

  async close(): Promise<void> {
    this.discard();
    this.slot.release();
  }

  hold(): HeldFiles | undefined {
    if (this.#open === undefined) {
      if (this.#available === 0) return undefined;
      const identity = this.#identity;
      const opened = this.#tryOpen();
      if (opened === undefined) return undefined;
      // Another file at the path is not what was attached (and perhaps proven).
      if (this.#identity !== identity || opened.size < this.#available) {
        this.discard();
        return undefined;
      }
      this.slot.setFile(opened.held.data);
    } else this.#host.descriptors.touch(this);
    return this.#open?.hold();
  }

  giveUp(): void {
    this.slot.setFile(-1);
    this.#open?.release();
    this.#open = undefined;
  }

  wasUsed(): boolean {
    return this.slot.takeUsed();
  }

  #prove(): boolean {
    if (this.#available !== this.#size) return false;
    this.#full = true;
    this.slot.setProof("full");
    return true;
  }

  /** A page that the file holds only a part of counts only at the content's end. */
  #wholePages(): number {
    return Math.floor(this.#available / PAGE_BYTES);
  }

  #tryOpen(): { readonly held: HeldFiles; readonly size: number } | undefined {
    let fd = -1;
    try {
      fd = this.#host.files.open(this.#path, constants.O_RDONLY);
      const found = fstatSync(fd);
      if (!found.isFile()) throw new Error("not a file");
      this.#identity = `${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}`;
      this.#open = new HeldFiles({ data: fd }, this.#host);
      this.#host.descriptors.add(this, 1);
      return { held: this.#open, size: found.size };
    } catch {
      if (fd >= 0) this.#host.files.close(fd);
      return undefined;
    }
  }
}

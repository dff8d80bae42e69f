import { readdirSync } from "node:fs";
import { join } from "node:path";
import { PAGE_BYTES, type ByteRange } from "../bytes/range.ts";
import type { Arena } from "./arena.ts";
import { LEAF_SHIFT } from "./arena-layout.ts";
import type { Body, BodyListener, BodyPart, BodyState, Proving } from "./body.ts";
import { pageCount } from "./page-map.ts";
import { SharedSlot } from "./shared-slot.ts";
import type { UnitHost, UnitWindow } from "./unit-life.ts";
import { Unit } from "./unit.ts";

export interface DiskBodyOptions {
  readonly size: number;
  readonly host: UnitHost;
  readonly arena: Arena;
  readonly listener: BodyListener;
  /** Given: the content is cut into segments of so many bytes (a power of two), a directory each. */
  readonly segmentBytes?: number;
}

/** What a unit adds to the whole. */
interface Share {
  heldPages: number;
  /** 1 when it holds pages that nobody checked. */
  mixedUnits: number;
  wholeUnits: number;
}

/** A content in the cache directory: one unit, or one for each segment. Nothing is created before the first write. */
export class DiskBody implements Body, Proving {
  readonly slot: SharedSlot;
  readonly #directory: string;
  readonly #options: DiskBodyOptions;
  readonly #unitBytes: number;
  readonly #unitCount: number;
  readonly #units = new Map<number, Unit>();
  readonly #shares = new Map<number, Share>();
  readonly #sum: Share = { heldPages: 0, mixedUnits: 0, wholeUnits: 0 };
  #surveyed = false;

  constructor(directory: string, options: DiskBodyOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#unitBytes = options.segmentBytes ?? Math.max(1, options.size);
    this.#unitCount = Math.ceil(options.size / this.#unitBytes);
    const { size, segmentBytes } = options;
    this.slot = new SharedSlot(options.arena, {
      quarantine: options.host.quarantine,
      shape:
        segmentBytes === undefined
          ? { kind: "file", size, leaves: Math.ceil(pageCount(size) / 2 ** LEAF_SHIFT) }
          : { kind: "segments", size, segments: this.#unitCount, leafShift: Math.log2(segmentBytes / PAGE_BYTES) },
    });
  }

  get proving(): Proving {
    return this;
  }

  /** Of the whole content: a unit's, or that of its segments. */
  get directory(): string {
    return this.#directory;
  }

  get isSegmented(): boolean {
    return this.#options.segmentBytes !== undefined;
  }

  /** Units that were looked at, for eviction and syncing. */
  units(): IterableIterator<Unit> {
    return this.#units.values();
  }

  state(options: { readonly look: boolean } = { look: true }): BodyState {
    if (options.look) this.#survey();
    const { heldPages, mixedUnits, wholeUnits } = this.#sum;
    const complete = heldPages === pageCount(this.#options.size);
    const full = complete && heldPages > 0 && wholeUnits === this.#unitCount;
    return { heldPages, complete, proof: full ? "full" : mixedUnits === 0 && heldPages > 0 ? "chunk" : "transport" };
  }

  absent(pages: ByteRange, options: { readonly look: boolean } = { look: false }): readonly ByteRange[] {
    const runs: { start: number; end: number }[] = [];
    this.#eachUnit(pages, (unit, inside, firstPage) => {
      if (unit.index?.held.has(inside.start, inside.end) === true) return;
      if (options.look) unit.look(inside);
      for (const run of unit.index?.held.absent(inside.start, inside.end) ?? [inside]) {
        const last = runs.at(-1);
        if (last?.end === run.start + firstPage) last.end = run.end + firstPage;
        else runs.push({ start: run.start + firstPage, end: run.end + firstPage });
      }
    });
    return runs;
  }

  async read(range: ByteRange, target: Uint8Array): Promise<boolean> {
    const reads = this.#split(range).map(({ unit, inside, from }) =>
      unit.read(inside, target.subarray(from, from + inside.end - inside.start)),
    );
    return (await Promise.all(reads)).every(Boolean);
  }

  async write(offset: number, bytes: Uint8Array, options: { readonly verified: boolean }): Promise<boolean> {
    const parts = this.#split({ start: offset, end: offset + bytes.length });
    let kept = true;
    for (const { unit, inside, from } of parts) {
      const part = bytes.subarray(from, from + inside.end - inside.start);
      kept = (await unit.write(inside.start, part, options)) && kept;
    }
    return kept;
  }

  setMarks(offsets: readonly number[]): void {
    this.slot.setMarks(offsets);
  }

  async parts(): Promise<readonly BodyPart[] | undefined> {
    if (!this.state().complete) return undefined;
    await Promise.all([...this.#units.values()].map((unit) => unit.quiet()));
    if (!this.state().complete) return undefined;
    const parts: BodyPart[] = [];
    for (let index = 0; index < this.#unitCount; index++) {
      const unit = this.#unit(index);
      const life = unit.index;
      if (life === undefined) return undefined;
      parts.push({ length: unit.size, hold: () => unit.hold(life), prove: () => unit.proveWhole(life) });
    }
    return parts;
  }

  backing(): { readonly fd: number; readonly path: string } | undefined {
    if (this.#options.segmentBytes !== undefined || this.#unitCount !== 1 || !this.state().complete) return undefined;
    const unit = this.#unit(0);
    const held = unit.hold();
    held?.release();
    return held === undefined ? undefined : { fd: held.data, path: join(unit.directory, "data") };
  }

  discard(): void {
    this.#survey();
    for (const unit of this.#units.values()) unit.discard();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#units.values()].map((unit) => unit.close()));
    this.slot.release();
  }

  /** Segments may lie on disk that nobody asked for yet in this process. */
  #survey(): void {
    if (this.#surveyed) return;
    this.#surveyed = true;
    if (this.#options.segmentBytes === undefined) {
      if (this.#unitCount === 1) this.#unit(0).look({ start: 0, end: 0 });
      return;
    }
    try {
      for (const name of readdirSync(this.#directory)) {
        const index = Number(name);
        if (Number.isInteger(index) && index >= 0 && index < this.#unitCount && segmentName(index) === name)
          this.#unit(index).look({ start: 0, end: 0 });
      }
    } catch {
      // Nothing there yet.
    }
  }

  #recount(index: number): void {
    const before = this.#shares.get(index);
    const found = this.#units.get(index)?.index;
    const held = found?.held.count ?? 0;
    const now: Share = {
      heldPages: held,
      mixedUnits: held > 0 && found?.allVerified !== true ? 1 : 0,
      wholeUnits: found?.whole === true ? 1 : 0,
    };
    this.#shares.set(index, now);
    this.#sum.heldPages += now.heldPages - (before?.heldPages ?? 0);
    this.#sum.mixedUnits += now.mixedUnits - (before?.mixedUnits ?? 0);
    this.#sum.wholeUnits += now.wholeUnits - (before?.wholeUnits ?? 0);
  }

  #unit(index: number): Unit {
    const known = this.#units.get(index);
    if (known !== undefined) return known;
    const { size, segmentBytes, host } = this.#options;
    const unit = new Unit(segmentBytes === undefined ? this.#directory : join(this.#directory, segmentName(index)), {
      size: Math.min(this.#unitBytes, size - index * this.#unitBytes),
      host,
      window: this.#window(index),
    });
    this.#units.set(index, unit);
    return unit;
  }

  #window(index: number): UnitWindow {
    const { slot } = this;
    const common = {
      wasUsed: () => slot.takeUsed(),
      lowerProof: () => slot.setProof("transport"),
      changed: () => {
        this.#recount(index);
        slot.setProof(this.state({ look: false }).proof);
        this.#options.listener.changed();
      },
    };
    if (this.#options.segmentBytes === undefined) {
      return {
        ...common,
        leaves: (leaf, words) => slot.leaf(leaf, words),
        setFile: (fd) => slot.setFile(fd),
        reset: () => slot.reset(),
      };
    }
    return {
      ...common,
      leaves: (_leaf, words) => slot.leaf(index, words),
      setFile: (fd) => slot.setSegmentFile(index, fd),
      reset: () => slot.resetSegment(index),
    };
  }

  #eachUnit(pages: ByteRange, visit: (unit: Unit, inside: ByteRange, firstPage: number) => void): void {
    const unitPages = this.#options.segmentBytes === undefined ? Infinity : this.#unitBytes / PAGE_BYTES;
    for (let page = pages.start; page < pages.end;) {
      const index = unitPages === Infinity ? 0 : Math.floor(page / unitPages);
      const firstPage = index === 0 ? 0 : index * unitPages;
      const end = Math.min(pages.end, firstPage + unitPages);
      visit(this.#unit(index), { start: page - firstPage, end: end - firstPage }, firstPage);
      page = end;
    }
  }

  #split(range: ByteRange): { readonly unit: Unit; readonly inside: ByteRange; readonly from: number }[] {
    const parts: { unit: Unit; inside: ByteRange; from: number }[] = [];
    for (let start = range.start; start < range.end;) {
      const index = Math.floor(start / this.#unitBytes);
      const origin = index * this.#unitBytes;
      const end = Math.min(range.end, origin + this.#unitBytes);
      const inside = { start: start - origin, end: end - origin };
      parts.push({ unit: this.#unit(index), inside, from: start - range.start });
      start = end;
    }
    return parts;
  }
}

function segmentName(index: number): string {
  return String(index).padStart(3, "0");
}

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import type { CacheOptions } from "../../src/cache/cache.ts";
import type { ChunkCache } from "../../src/cache/chunk-cache.ts";
import { WarmReader } from "../../src/cache/warm-reader.ts";
import { patterned } from "../conformance/cache.ts";
import { propertyRuns } from "../support/seed.ts";
import { temporaryCache, type TemporaryCache } from "./temporary.ts";

const PAGE = 4096;
const SIZES = [3 * PAGE + 100, 24 * PAGE, 9 * PAGE + 1];
const CONTENTS = SIZES.map((size, seed) => patterned(size, seed));
const IDS = SIZES.map((_, seed) => digestOf(new Uint8Array([200 + seed])));

type Step =
  | {
      readonly kind: "write";
      readonly which: number;
      readonly first: number;
      readonly pages: number;
      readonly verified: boolean;
    }
  | { readonly kind: "read"; readonly which: number; readonly start: number; readonly length: number }
  | { readonly kind: "discard" | "verify" | "close" | "tear" | "powerLoss"; readonly which: number }
  | { readonly kind: "crash" | "otherBoot" | "clear" | "neighbourClears" | "tidy" | "remove" };

const which = fc.nat({ max: SIZES.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      which,
      first: fc.nat({ max: 23 }),
      pages: fc.integer({ min: 1, max: 12 }),
      verified: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      which,
      start: fc.nat({ max: 24 * PAGE }),
      length: fc.integer({ min: 1, max: 9 * PAGE }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "discard" as const,
        "verify" as const,
        "close" as const,
        "tear" as const,
        "powerLoss" as const,
      ),
      which,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "crash" as const,
        "otherBoot" as const,
        "clear" as const,
        "neighbourClears" as const,
        "tidy" as const,
        "remove" as const,
      ),
    }),
  },
);

/** One cache that is driven, and what is known about it: pages written since they were last certainly forgotten. */
class Run {
  readonly place: TemporaryCache;
  readonly #options: CacheOptions;
  readonly #written: Set<number>[] = SIZES.map(() => new Set());
  #cache: ChunkCache | undefined;
  #boot = 0;
  /** What must still be held may only be asked for as long as nothing could have dropped it. */
  #sure = true;

  constructor(options: CacheOptions) {
    this.place = temporaryCache({ freeSpace: { bytes: 0, ratio: 0 } });
    this.#options = options;
  }

  async start(): Promise<ChunkCache> {
    this.#cache ??= await this.place.open({ ...this.#options, bootId: `boot ${this.#boot}` });
    return this.#cache;
  }

  async apply(doing: Step): Promise<void> {
    const cache = await this.start();
    const id = "which" in doing ? (IDS[doing.which] ?? "") : "";
    const content = "which" in doing ? (CONTENTS[doing.which] ?? new Uint8Array(0)) : new Uint8Array(0);
    const written = "which" in doing ? (this.#written[doing.which] ?? new Set<number>()) : new Set<number>();
    const entry = "which" in doing ? cache.open(id, content.length) : undefined;
    switch (doing.kind) {
      case "write": {
        const start = doing.first * PAGE;
        const end = Math.min(content.length, start + doing.pages * PAGE);
        await entry?.write(start, content.slice(start, end), { verified: doing.verified });
        for (let page = doing.first; page * PAGE < end; page++) written.add(page);
        break;
      }
      case "read":
        await this.#compare(doing.which, { start: doing.start, end: doing.start + doing.length });
        break;
      case "discard":
        entry?.discard();
        written.clear();
        expect(entry?.heldBytes).toBe(0);
        break;
      case "verify": {
        const outcome = await entry?.verify(digestOf(content));
        expect(outcome).not.toBe("mismatch");
        if (outcome === "full") expect(entry?.proof).toBe("full");
        break;
      }
      case "close":
        entry?.close();
        entry?.close();
        await cache.settled();
        break;
      case "tear":
        this.#change(doing.which, "extents", (log) => log.subarray(0, Math.max(0, log.length - 13)));
        this.#sure = false;
        await this.#crash();
        break;
      case "powerLoss":
        // Data of a moment ago did not reach the disk; what was synced did.
        await cache.tidy();
        for (const page of [0, 1]) {
          const range = { start: page * PAGE, end: (page + 1) * PAGE };
          if (entry?.missing(range).length === 0) continue;
          await entry?.write(range.start, content.slice(range.start, range.end));
          this.#change(doing.which, "data", (data) => data.fill(0, range.start, range.end));
          written.delete(page);
        }
        this.#boot += 1;
        await this.#crash();
        break;
      case "crash":
        await this.#crash();
        break;
      case "otherBoot":
        this.#boot += 1;
        await this.#crash();
        break;
      case "clear":
        for (const [seed, open] of IDS.entries()) cache.open(open, SIZES[seed] ?? 0);
        await cache.clear();
        break;
      case "neighbourClears": {
        const neighbour = await this.place.open({ ...this.#options, bootId: `boot ${this.#boot}` });
        await neighbour.clear();
        await neighbour.close();
        this.#sure = false;
        break;
      }
      case "tidy":
        await cache.tidy();
        break;
      case "remove":
        rmSync(join(this.place.directory, "v1/blobs"), { recursive: true, force: true });
        this.#sure = false;
        break;
    }
    if (this.#sure && "which" in doing && doing.kind !== "close")
      for (const page of written)
        expect(
          this.#cache?.open(id, content.length).missing({ start: page * PAGE, end: page * PAGE + 1 }) ?? [],
        ).toEqual([]);
  }

  /** By all three ways of reading: each gives nothing or the right bytes; what is called held is read. */
  async #compare(index: number, range: { readonly start: number; readonly end: number }): Promise<void> {
    const cache = await this.start();
    const content = CONTENTS[index] ?? new Uint8Array(0);
    const entry = cache.open(IDS[index] ?? "", content.length);
    const right = content.slice(range.start, range.end);
    const held = entry.missing(range).length === 0;
    const target = new Uint8Array(range.end - range.start);
    const result = { bytes: 0, crossed: false, proven: false };
    new WarmReader(cache.warm, 0).read(entry.slot, range.start, target.length, target, 0, result);
    if (result.bytes >= 0) expect(Buffer.compare(target.subarray(0, result.bytes), right)).toBe(0);
    const found = await entry.read(range);
    if (found !== undefined) expect(Buffer.compare(found, right)).toBe(0);
    if (this.#sure) expect(found !== undefined).toBe(held);
  }

  /** A new process over the same directory, while the old one never closed. */
  async #crash(): Promise<void> {
    this.#cache = undefined;
    await this.start();
  }

  #change(index: number, file: string, change: (bytes: Buffer) => Uint8Array): void {
    const id = IDS[index] ?? "";
    const parent = join(this.place.directory, "v1/blobs/sha256", id.slice(7, 9));
    try {
      for (const name of readdirSync(parent)) {
        const path = join(parent, name, file);
        writeFileSync(path, change(readFileSync(path)));
      }
    } catch {
      // Not there, or in segments.
    }
  }
}

for (const [name, options] of Object.entries({
  "one file": {},
  segments: { segmentBytes: 4 * PAGE, limitBytes: 80 * PAGE },
  "few descriptors": { maxOpenFiles: 4 },
} satisfies Record<string, CacheOptions>)) {
  test(`never a wrong byte, whatever happens in whatever order (${name})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const run = new Run(options);
        try {
          await run.start();
          for (const doing of steps) await run.apply(doing);
        } finally {
          await run.place.cleanUp();
        }
      }),
      propertyRuns({ numRuns: 40, seed: 20240611 }),
    );
  });
}

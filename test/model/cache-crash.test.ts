import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { subtractRanges } from "../../src/bytes/range.ts";
import type { CacheEntry, CacheOptions } from "../../src/cache/cache.ts";
import type { ChunkCache } from "../../src/cache/chunk-cache.ts";
import { openChunkCache } from "../../src/cache/open-cache.ts";
import { patterned } from "../conformance/cache.ts";
import { seededRandom } from "../support/damage.ts";
import { dyingFiles, type Death, type DyingFiles } from "../support/dying-files.ts";
import { propertyRuns } from "../support/seed.ts";

const PAGE = 4096;
const SIZES = [7 * PAGE + 100, 16 * PAGE, 1];
const CONTENTS = SIZES.map((size, seed) => patterned(size, seed));
const IDS = CONTENTS.map((content) => digestOf(content));
const PAGES = SIZES.map((size) => Math.ceil(size / PAGE));
const ROOM = { freeSpace: { bytes: 0, ratio: 0 }, idleMs: 3_600_000 };

/** Pages that a range of whole pages is made of. */
function pagesOf(start: number, end: number): readonly number[] {
  return Array.from({ length: Math.ceil(end / PAGE) - start / PAGE }, (_, at) => start / PAGE + at);
}

type Step =
  | { readonly kind: "write"; readonly which: number; readonly first: number; readonly pages: number }
  | { readonly kind: "read"; readonly which: number; readonly start: number; readonly length: number }
  | { readonly kind: "open" | "close" | "verify" | "discard"; readonly which: number }
  | { readonly kind: "reopen" }
  | { readonly kind: "tidy" };

const which = fc.nat({ max: SIZES.length - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      which,
      first: fc.nat(15),
      pages: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      which,
      start: fc.nat(16 * PAGE),
      length: fc.integer({ min: 1, max: 5 * PAGE }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("open" as const, "close" as const, "verify" as const, "discard" as const),
      which,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("tidy" as const, "reopen" as const) }) },
);

/** One process over a directory, and the reference: the pages that it was told are written. */
class Process {
  readonly files: DyingFiles;
  readonly #options: CacheOptions;
  readonly #handles: CacheEntry[][] = SIZES.map(() => []);
  /** Written, with an answer. */
  readonly acked: Set<number>[] = SIZES.map(() => new Set());
  /** Written, perhaps without one. */
  readonly tried: Set<number>[] = SIZES.map(() => new Set());
  #cache: ChunkCache | undefined;

  constructor(options: CacheOptions, death: Death | undefined) {
    this.files = dyingFiles(death);
    this.#options = options;
  }

  /** False when the process died on the way. */
  async live(steps: readonly Step[], sure: boolean): Promise<boolean> {
    for (const doing of steps) {
      const done = this.#apply(doing).then(() => true);
      if (!(await Promise.race([done, this.files.died.then(() => false)]))) {
        done.catch(() => undefined);
        return false;
      }
      await this.compare(sure);
    }
    return true;
  }

  /** All pages of all contents: right or missing; what was answered for is there where nothing may have evicted it. */
  async compare(sure: boolean): Promise<void> {
    const cache = await this.#start();
    for (const [index, size] of SIZES.entries()) {
      const entry = cache.open(IDS[index] ?? "", size);
      const held = subtractRanges({ start: 0, end: size }, entry.missing({ start: 0, end: size }));
      const pages = new Set(held.flatMap(({ start, end }) => pagesOf(start, end)));
      for (const { start, end } of held) {
        const found = await entry.read({ start, end });
        if (sure) expect(found).toBeDefined();
        if (found === undefined) continue;
        expect(Buffer.compare(found, (CONTENTS[index] ?? new Uint8Array()).subarray(start, end))).toBe(0);
        for (const page of pagesOf(start, end)) expect(this.tried[index]).toContain(page);
      }
      if (sure) for (const page of this.acked[index] ?? []) expect(pages).toContain(page);
      entry.close();
    }
  }

  /** After whatever happened the cache takes everything, and has it for the next process too. */
  async fill(): Promise<void> {
    const cache = await this.#start();
    for (const [index, content] of CONTENTS.entries()) {
      const entry = cache.open(IDS[index] ?? "", content.length);
      await entry.write(0, content);
      expect([index, entry.missing({ start: 0, end: content.length })]).toEqual([index, []]);
      for (const page of pagesOf(0, content.length)) {
        this.tried[index]?.add(page);
        this.acked[index]?.add(page);
      }
      entry.close();
    }
  }

  async close(): Promise<void> {
    // A thread that hashes is the one thing that outlives this kind of death.
    await (this.files.isDead() ? this.#cache?.hashing.close() : this.#cache?.close());
    this.files.close();
  }

  async #start(): Promise<ChunkCache> {
    this.#cache ??= await openChunkCache({ ...ROOM, ...this.#options, files: this.files.files });
    return this.#cache;
  }

  async #apply(doing: Step): Promise<void> {
    const cache = await this.#start();
    if (doing.kind === "tidy") return cache.tidy();
    if (doing.kind === "reopen") {
      for (const handles of this.#handles) handles.splice(0);
      await cache.close();
      this.#cache = undefined;
      return;
    }
    const content = CONTENTS[doing.which] ?? new Uint8Array();
    const handles = this.#handles[doing.which] ?? [];
    const entry = handles.at(-1) ?? cache.open(IDS[doing.which] ?? "", content.length);
    if (handles.length === 0 || doing.kind === "open") handles.push(cache.open(IDS[doing.which] ?? "", content.length));
    switch (doing.kind) {
      case "write": {
        const start = Math.min(doing.first, (PAGES[doing.which] ?? 1) - 1) * PAGE;
        const end = Math.min(content.length, start + doing.pages * PAGE);
        for (const page of pagesOf(start, end)) this.tried[doing.which]?.add(page);
        await entry.write(start, content.slice(start, end));
        for (const page of pagesOf(start, end)) this.acked[doing.which]?.add(page);
        return;
      }
      case "read":
        await entry.read({ start: doing.start, end: doing.start + doing.length });
        return;
      case "close":
        handles.pop()?.close();
        await cache.settled();
        return;
      case "verify":
        expect(await entry.verify(digestOf(content))).not.toBe("mismatch");
        return;
      case "discard":
        entry.discard();
        this.acked[doing.which]?.clear();
        expect(entry.heldBytes).toBe(0);
        return;
      case "open":
    }
  }
}

interface Case {
  readonly steps: readonly Step[];
  readonly death: Death;
  readonly power: number | undefined;
  readonly options: CacheOptions;
}

/** Lives, dies, and is looked at by two processes after it. Returns how many writes the first one made. */
async function crash({ steps, death, power, options }: Case): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "riffle-crash-"));
  const sure = options.limitBytes === undefined;
  const first = new Process({ ...options, directory, bootId: "one" }, death);
  const second = new Process({ ...options, directory, bootId: power === undefined ? "one" : "two" }, undefined);
  const third = new Process({ ...options, directory, bootId: "three" }, undefined);
  try {
    await first.live(steps, sure);
    const writes = first.files.writes();
    if (power !== undefined) {
      const random = seededRandom(power);
      first.files.losePower((chance) => random(1000) < chance * 1000);
    }
    for (const [index, tried] of first.tried.entries())
      for (const page of tried) {
        second.tried[index]?.add(page);
        // What was answered for outlives the process; a power loss may take it.
        if (power === undefined && first.acked[index]?.has(page) === true) second.acked[index]?.add(page);
      }
    await second.compare(sure);
    await second.fill();
    await second.compare(sure);
    for (const [index, pages] of second.tried.entries()) for (const page of pages) third.tried[index]?.add(page);
    if (sure)
      for (const [index, pages] of second.acked.entries()) for (const page of pages) third.acked[index]?.add(page);
    await third.compare(sure);
    return writes;
  } finally {
    for (const process of [third, second, first]) await process.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

const STORY: readonly Step[] = [
  { kind: "write", which: 0, first: 0, pages: 3 },
  { kind: "open", which: 0 },
  { kind: "write", which: 1, first: 4, pages: 8 },
  { kind: "write", which: 0, first: 2, pages: 9 },
  { kind: "close", which: 0 },
  { kind: "tidy" },
  { kind: "write", which: 2, first: 0, pages: 1 },
  { kind: "discard", which: 0 },
  { kind: "write", which: 0, first: 5, pages: 2 },
  { kind: "reopen" },
  { kind: "write", which: 1, first: 0, pages: 5 },
];

const KINDS: Readonly<Record<string, CacheOptions>> = {
  "one file": {},
  segments: { segmentBytes: 32 * PAGE },
  "eviction at once": { limitBytes: 9 * PAGE },
};

test.each(Object.entries(KINDS))(
  "a crash at every write of a story, after any part of it (%s)",
  { timeout: 120_000 },
  async (_, options) => {
    const nowhere = { write: Number.MAX_SAFE_INTEGER, part: 0 };
    const writes = await crash({ steps: STORY, death: nowhere, power: undefined, options });
    expect(writes).toBeGreaterThan(6);
    for (let write = 0; write < writes; write += 1)
      for (const [round, part] of [0, 0.3, 0.999, 1].entries())
        await crash({ steps: STORY, death: { write, part }, power: round % 2 === 0 ? undefined : write, options });
  },
);

test.each(Object.entries(KINDS))("a crash at any write of any story (%s)", { timeout: 120_000 }, async (_, options) => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        steps: fc.array(step, { minLength: 1, maxLength: 16 }),
        death: fc.record({ write: fc.nat(24), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
        power: fc.option(fc.nat(), { nil: undefined }),
      }),
      async (given) => void (await crash({ ...given, options })),
    ),
    propertyRuns({ numRuns: 20, seed: 20_261_101 }),
  );
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Artifact } from "../../../src/artifact/artifact.ts";
import { openArtifact, type OpenOptions } from "../../../src/artifact/open-artifact.ts";
import { isRiffleError, type ErrorCode } from "../../../src/errors.ts";
import type { ByteRange } from "../../../src/bytes/range.ts";
import { noise } from "../content.ts";
import { seededRandom } from "../damage.ts";
import { sha256 } from "../liar.ts";
import { damageCache } from "./damage-cache.ts";
import type { Fault } from "./fault.ts";
import { startFaultyRegistry, type FaultyFile, type FaultyRegistry } from "./faulty-registry.ts";
import { randomFault } from "./random-fault.ts";

export interface RandomFaultsOptions {
  readonly reads: number;
  /** Equal seeds draw equal reads, faults and damage; in which order requests arrive is up to the machine. */
  readonly seed: number;
  readonly log?: (line: string) => void;
  /** Ends it before its time; the summary is of what was read. */
  readonly signal?: AbortSignal;
}

export interface RandomFaultsSummary {
  readonly seed: number;
  reads: number;
  right: number;
  /** Reads that failed with an error of a code that a fault may cause. */
  failed: number;
  aborted: number;
  /** Reads that gave wrong bytes, and proofs that said the wrong thing, each described. None may be. */
  readonly wrong: string[];
  readonly codes: Partial<Record<ErrorCode, number>>;
  bytes: number;
  requests: number;
  faulted: number;
  readonly faults: Record<string, number>;
  /** Artifacts opened, and cache directories damaged between. */
  rounds: number;
  damages: number;
  unopened: number;
  /** Reads of a blob whose answers have bits flipped: what cannot be known to be wrong until all of it is held. */
  flippedUnproven: number;
  provenReads: number;
  mismatches: number;
}

interface DrawnRead {
  readonly file: FaultyFile;
  readonly range: ByteRange;
  readonly abortMs: number | undefined;
}

type Random = (below: number) => number;

/** Short, for a hanging request costs all of it. */
const TIMEOUT_MS = 400;
const ROUND_READS = 120;
const MOST_UNOPENED = 1000;
const MOST_AT_ONCE = 24;
const CACHE_BYTES = 8 * 1024 * 1024;
/** Most reads are of the last three, which are not held after a round: they meet the network. */
const SIZES = [0, 1, 4095, 4096, 4097, 70_001, 262_144, 3_500_777, 6_000_003, 8_000_001];
/** Answers about this one may have a bit flipped; it is read by itself, so that what is counted as proven is known. */
const FLIPPED = "flipped.bin";
/** What a fault may do to a read; any other code is a bug. */
const ALLOWED: ReadonlySet<ErrorCode> = new Set([
  "unreachable",
  "misbehaved",
  "timeout",
  "verification",
  "credentials",
  "aborted",
]);

class Run {
  readonly #random: Random;
  readonly #files: readonly FaultyFile[];
  readonly #directory = mkdtempSync(join(tmpdir(), "riffle-random-faults-"));
  readonly #summary: RandomFaultsSummary;
  readonly #options: RandomFaultsOptions;
  /** Faults in a thousand answers, as the weather of this round is. */
  #weather = 0;
  #lingering: Artifact | undefined;

  constructor(options: RandomFaultsOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#files = [...SIZES, 50_000].map((size, index) => ({
      title: index === SIZES.length ? FLIPPED : `${index}.bin`,
      bytes: noise(options.seed * 100 + index, { start: 0, end: size }),
    }));
    this.#summary = {
      seed: options.seed,
      reads: 0,
      right: 0,
      failed: 0,
      aborted: 0,
      wrong: [],
      codes: {},
      bytes: 0,
      requests: 0,
      faulted: 0,
      faults: {},
      rounds: 0,
      damages: 0,
      unopened: 0,
      flippedUnproven: 0,
      provenReads: 0,
      mismatches: 0,
    };
  }

  async run(): Promise<RandomFaultsSummary> {
    const { reads, log } = this.#options;
    const faultRandom = seededRandom(this.#options.seed + 1);
    const registry = await startFaultyRegistry({
      files: this.#files,
      fault: ({ title }) => this.#fault(title, faultRandom),
      tokenLife: 100 + this.#random(200),
      ...(this.#random(2) === 0 ? {} : { urlLife: 100 + this.#random(100) }),
    });
    try {
      for (let told = 0; this.#summary.reads < reads && this.#options.signal?.aborted !== true;) {
        await this.#round(registry);
        if (this.#summary.reads - told < 5000) continue;
        told = this.#summary.reads;
        log?.(`${told} reads, ${this.#summary.failed} failed, ${this.#summary.wrong.length} wrong`);
      }
      return this.#summary;
    } finally {
      await this.#lingering?.close();
      await registry[Symbol.asyncDispose]();
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }

  #fault(title: string, random: Random): Fault | undefined {
    this.#summary.requests += 1;
    if (title === FLIPPED && random(4) === 0) return this.#count({ kind: "flip" });
    return random(1000) < this.#weather ? this.#count(randomFault(random)) : undefined;
  }

  #count(fault: Fault): Fault {
    this.#summary.faulted += 1;
    this.#summary.faults[fault.kind] = (this.#summary.faults[fault.kind] ?? 0) + 1;
    return fault;
  }

  /** One artifact from open to close, over a cache that an earlier one left, was damaged, or has open still. */
  async #round(registry: FaultyRegistry): Promise<void> {
    const random = this.#random;
    this.#weather = [20, 100, 250, 500][random(4)] ?? 0;
    registry.forget();
    if (damageCache(this.#directory, random)) this.#summary.damages += 1;
    const artifact = await this.#open(registry, {
      timeoutMs: TIMEOUT_MS,
      frugal: random(2) === 0,
      cacheBytes: CACHE_BYTES,
      ...(random(2) === 0 ? {} : { cacheDir: this.#directory }),
    });
    this.#summary.rounds += 1;
    const before = this.#lingering;
    const left = Math.min(ROUND_READS, this.#options.reads - this.#summary.reads);
    for (let done = 0; done < left;) {
      const count = Math.min(left - done, 1 + random(MOST_AT_ONCE));
      const batch = Array.from({ length: count }, () => this.#drawRead());
      await Promise.all(batch.map((read) => this.#read(artifact, read)));
      done += count;
      await this.#readFlipped(artifact);
    }
    this.#judgeErrors(artifact.errors());
    await before?.close();
    // As another process would, it may go on while the next one begins.
    this.#lingering = random(4) === 0 ? artifact : undefined;
    if (this.#lingering === undefined) await artifact.close();
  }

  /** Where this machine is so busy that even a manifest takes longer than the time limit, it is asked for again. */
  async #open(registry: FaultyRegistry, options: OpenOptions): Promise<Artifact> {
    for (;;) {
      try {
        return await openArtifact(registry.reference, options);
      } catch (error) {
        this.#summary.unopened += 1;
        if (!isRiffleError(error) || error.code !== "timeout" || this.#summary.unopened > MOST_UNOPENED) throw error;
      }
    }
  }

  #drawRead(): DrawnRead {
    const random = this.#random;
    const index = random(5) === 0 ? random(SIZES.length) : SIZES.length - 1 - random(3);
    const file = this.#files[index] as FaultyFile; // the flipped one is last
    const size = file.bytes.length;
    const start = random(20) === 0 ? 0 : random(size + 1);
    const longest = [4096, 65_536, 300_000, 3_000_000][random(50) === 0 ? 3 : random(3)] ?? 0;
    // sometimes beyond the end: then a read is clipped
    const range = { start, end: start + random(longest + 1) };
    return { file, range, abortMs: random(25) === 0 ? random(6) : undefined };
  }

  async #read(artifact: Artifact, { file, range, abortMs }: DrawnRead): Promise<void> {
    const summary = this.#summary;
    const options = abortMs === undefined ? {} : { signal: AbortSignal.timeout(abortMs) };
    summary.reads += 1;
    try {
      const bytes = await artifact.file(file.title).read(range, options);
      summary.bytes += bytes.length;
      if (isSame(bytes, file, range)) summary.right += 1;
      else summary.wrong.push(`${file.title} [${range.start}, ${range.end}) in round ${summary.rounds}`);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (!isRiffleError(error) || !ALLOWED.has(error.code)) throw error;
    const summary = this.#summary;
    if (error.code === "aborted") summary.aborted += 1;
    else summary.failed += 1;
    summary.codes[error.code] = (summary.codes[error.code] ?? 0) + 1;
  }

  /** What is counted as proven is right; what is not may be wrong, and is then found out once all of it is held. */
  async #readFlipped(artifact: Artifact): Promise<void> {
    const summary = this.#summary;
    const file = this.#files.at(-1) as FaultyFile; // made so
    const range = { start: 0, end: file.bytes.length };
    const before = artifact.stats().bytesVerified;
    const bytes = await artifact
      .file(FLIPPED)
      .read(range)
      .catch((error: unknown) => void (isRiffleError(error) && ALLOWED.has(error.code)));
    if (bytes === undefined) return;
    const isProven = artifact.stats().bytesVerified > before;
    if (isProven) summary.provenReads += 1;
    if (isSame(bytes, file, range)) return;
    if (isProven) summary.wrong.push(`${FLIPPED} was called proven in round ${summary.rounds}`);
    else summary.flippedUnproven += 1;
  }

  /** A blob that was never flipped must never be called wrong. */
  #judgeErrors(text: string): void {
    const said = text.split("\n").filter((line) => line.includes("do not have that digest"));
    this.#summary.mismatches += said.length;
    const flipped = this.#files.at(-1) as FaultyFile; // made so
    const digest = sha256(flipped.bytes);
    for (const line of said) if (!line.includes(digest)) this.#summary.wrong.push(`a false alarm: ${line}`);
  }
}

function isSame(bytes: Uint8Array, file: FaultyFile, range: ByteRange): boolean {
  return Buffer.compare(bytes, file.bytes.subarray(range.start, range.end)) === 0;
}

/** Reads through a registry, a network and a disk that fail at random, and compares every byte. */
export function randomFaults(options: RandomFaultsOptions): Promise<RandomFaultsSummary> {
  return new Run(options).run();
}

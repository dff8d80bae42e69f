import { dirname } from "node:path";
import { evictUnits, planEviction, surveyUnits } from "./budget.ts";
import type { DiskBody } from "./disk-body.ts";
import type { CacheFiles } from "./files.ts";
import type { Unit } from "./unit.ts";

/** While filling is stopped: how often it is asked whether it may go on. A walk over the units costs milliseconds. */
const FULL_MS = 5_000;
/** Others write too: how often usage is measured anew while we write. */
const SURVEY_MS = 10 * 60_000;
/** So many bytes of our own, or the budget if that is less, and it is measured anew whatever the clock says. */
const SURVEY_BYTES = 1024 ** 3;
/**
 * A segment that main did not use for so long may be evicted though its content is open: a fast reader leaves 256 MiB
 * behind in a second, and whoever comes back finds a miss, never other bytes.
 */
const SEGMENT_IDLE_MS = 2_000;

/** What this process had open at one moment, by directory. */
export interface OpenContents {
  readonly units: ReadonlyMap<string, Unit>;
  /** Whether a unit belongs to a content that is open. */
  readonly isOpen: (directory: string) => boolean;
  /** Whether it is a segment of one. */
  readonly isSegment: (directory: string) => boolean;
}

export function openContents(bodies: Iterable<DiskBody>): OpenContents {
  const contents = new Set<string>();
  const segmented = new Set<string>();
  const units = new Map<string, Unit>();
  for (const body of bodies) {
    (body.isSegmented ? segmented : contents).add(body.directory);
    for (const unit of body.units()) units.set(unit.directory, unit);
  }
  const isSegment = (directory: string): boolean => segmented.has(dirname(directory));
  const isOpen = (directory: string): boolean =>
    contents.has(directory) || units.has(directory) || isSegment(directory);
  return { units, isOpen, isSegment };
}

export interface FillingOptions {
  readonly limitBytes: number;
  readonly freeSpace: { readonly bytes: number; readonly ratio: number };
  readonly files: CacheFiles;
  readonly now: () => number;
  readonly log: (message: string) => void;
  readonly open: () => OpenContents;
  readonly jobs: { background(job: Promise<void>): void };
}

/** Keeps the directory within its budget, and says whether more may be put there. */
export class Filling {
  readonly #root: string;
  readonly #options: FillingOptions;
  /** What all take, as far as we know: measured now and then, counted up in between. */
  #usage = 0;
  #writtenSince = 0;
  #surveyedAt: number | undefined;
  #surveying = false;
  #full = false;

  constructor(root: string, options: FillingOptions) {
    this.#root = root;
    this.#options = options;
  }

  mayFill(): boolean {
    // Nobody writes while it is full, so this is where it is found out that it no longer is.
    if (this.#full && this.#sinceSurvey() > FULL_MS) this.survey();
    // Over the budget, but not measured yet: a fast reader must not run away from the measuring.
    return !this.#full && this.#usage <= this.#options.limitBytes;
  }

  wrote(bytes: number): void {
    const { limitBytes } = this.#options;
    this.#usage += bytes;
    this.#writtenSince += bytes;
    const due = this.#sinceSurvey() > SURVEY_MS || this.#writtenSince > Math.min(SURVEY_BYTES, limitBytes);
    if (due || this.#usage > limitBytes) this.survey();
  }

  /** When nothing is open any more: what was kept because it was open goes too. */
  async end(): Promise<void> {
    if (this.#usage > this.#options.limitBytes) await this.#evict();
  }

  /** Measures, evicts down to the budget, and decides whether filling may go on. One at a time, in the background. */
  survey(): void {
    if (this.#surveying) return;
    this.#surveying = true;
    this.#options.jobs.background(
      this.#survey().finally(() => {
        this.#surveying = false;
      }),
    );
  }

  #sinceSurvey(): number {
    return this.#surveyedAt === undefined ? Infinity : Math.abs(this.#options.now() - this.#surveyedAt);
  }

  async #survey(): Promise<void> {
    const { limitBytes, freeSpace, files, log } = this.#options;
    this.#surveyedAt = this.#options.now();
    this.#writtenSince = 0;
    const bytes = await this.#evict();
    this.#usage = bytes + this.#writtenSince;
    const facts = await files.facts(this.#root);
    const short = facts.freeBytes < Math.max(freeSpace.bytes, facts.totalBytes * freeSpace.ratio);
    const full = short || bytes > limitBytes;
    if (full && !this.#full)
      log(`cache: ${short ? "the disk is nearly full" : "what is open fills the budget"}; going on in memory`);
    this.#full = full;
  }

  /** The bytes that are left. */
  async #evict(): Promise<number> {
    const limit = this.#options.limitBytes;
    const stored = await surveyUnits(this.#root);
    const { units, isOpen, isSegment } = this.#options.open();
    let plan = planEviction(stored, { limit, keep: isOpen });
    if (plan.bytesAfter > limit) {
      // What is open stays, but for segments of large contents that nobody asks for at present.
      const keep = (directory: string): boolean =>
        isOpen(directory) && !(isSegment(directory) && this.#isIdle(units.get(directory)));
      plan = planEviction(stored, { limit, keep });
    }
    for (const { directory } of plan.evict) units.get(directory)?.discard();
    await evictUnits(
      this.#root,
      plan.evict.filter(({ directory }) => !units.has(directory)),
    );
    return plan.bytesAfter;
  }

  #isIdle(unit: Unit | undefined): boolean {
    return unit === undefined || Math.abs(this.#options.now() - unit.usedAt) > SEGMENT_IDLE_MS;
  }
}

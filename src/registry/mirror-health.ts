import type { Digest } from "../bytes/digest.ts";
import { isRiffleError } from "../errors.ts";
import type { MirrorReport } from "./mirror.ts";

/** How long a mirror that failed is passed over: long enough that not each read waits for it. */
const DOWN_MS = 30_000;

/** What is known of one mirror from what it was asked so far. */
export class MirrorHealth {
  readonly host: string;
  readonly #now: () => number;
  readonly #absent = new Set<Digest>();
  #downUntil = Number.NEGATIVE_INFINITY;
  #report: MirrorReport;

  constructor(host: string, now: () => number) {
    this.host = host;
    this.#now = now;
    this.#report = { host, state: "unused" };
  }

  get report(): MirrorReport {
    return this.#report;
  }

  /** It gave wrong bytes: it is never asked again. */
  get isLeft(): boolean {
    return this.#report.state === "left";
  }

  /** Whether it is worth asking before others, for `digest` where one is named. */
  isWorthAsking(digest?: Digest): boolean {
    return !this.isLeft && this.#downUntil <= this.#now() && (digest === undefined || !this.#absent.has(digest));
  }

  answered(): void {
    this.#downUntil = Number.NEGATIVE_INFINITY;
    if (!this.isLeft) this.#report = { host: this.host, state: "answered" };
  }

  /** What it does not have it may have of others; whatever else is wrong with it, is wrong for a while. */
  failed(error: unknown, digest?: Digest): void {
    const code = isRiffleError(error) ? error.code : "internal";
    if (code === "verification" || code === "malformed") return this.leave(error);
    if (code !== "not-found") this.#downUntil = this.#now() + DOWN_MS;
    else if (digest !== undefined) this.#absent.add(digest);
    const hasOthers = code === "not-found" && this.#report.state === "answered";
    if (!this.isLeft && !hasOthers) this.#report = { host: this.host, state: "failed", message: wordsOf(error) };
  }

  leave(reason: unknown): void {
    this.#report = { host: this.host, state: "left", message: wordsOf(reason) };
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

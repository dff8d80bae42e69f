import { isRiffleError } from "../errors.ts";

/** Enough to see a pattern, little enough to keep in memory for months. */
const KEPT = 200;

/** The reasons behind EIO, newest last: what `.oci/errors` shows. */
export class ErrorList {
  readonly #lines: string[] = [];
  readonly #now: () => Date;

  constructor(now: () => Date = () => new Date()) {
    this.#now = now;
  }

  add(path: string, error: unknown): void {
    const text = isRiffleError(error) ? `${error.message} (${error.code})` : String(error);
    this.#lines.push(`${this.#now().toISOString()} ${path}: ${text.replace(/\s+/g, " ").slice(0, 1000)}`);
    if (this.#lines.length > KEPT) this.#lines.shift();
  }

  text(): string {
    return this.#lines.map((line) => `${line}\n`).join("");
  }
}

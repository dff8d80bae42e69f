import { setTimeout as sleep } from "node:timers/promises";
import { riffle, type RunResult } from "../support/processes.ts";

/** A file of noise as the mount must show it. */
export interface SoakFile {
  readonly name: string;
  readonly size: number;
  readonly seed: number;
}

/** A user of whom everything can be found again. */
export interface SoakHome {
  readonly path: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly cacheDir: string;
}

export interface SlotCounts {
  readonly mounts: number;
  readonly unmounts: number;
  readonly lazy: number;
  /** Unmounts that were refused because somebody read. */
  readonly busy: number;
  readonly kills: number;
  /** Mounts that the faulty link prevented. */
  readonly refused: number;
}

interface SlotOptions {
  readonly place: string;
  readonly reference: string;
  readonly files: readonly SoakFile[];
  readonly home: SoakHome;
  readonly timeoutS: number;
}

/** Exit codes that a registry which fails may cause: credentials, malformed or misbehaved, unreachable. */
const OF_THE_LINK: ReadonlySet<number> = new Set([4, 5, 6, 7]);
const CACHE_SIZE = "64M";

/** A mountpoint where mounts come and go by the built `riffle`. */
export class Slot {
  readonly place: string;
  readonly files: readonly SoakFile[];
  readonly violations: string[] = [];
  readonly #options: SlotOptions;
  readonly #counts = { mounts: 0, unmounts: 0, lazy: 0, busy: 0, kills: 0, refused: 0 };
  #pid = 0;
  #epoch = 0;
  #isUp = false;

  constructor(options: SlotOptions) {
    this.place = options.place;
    this.files = options.files;
    this.#options = options;
  }

  get counts(): SlotCounts {
    return this.#counts;
  }

  /** Of the daemon. */
  get pid(): number {
    return this.#pid;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Changes whenever a call that is under way may fail for it. */
  get epoch(): number {
    return this.#epoch;
  }

  names(folder: string): readonly string[] {
    return this.files
      .filter(({ name }) => name.startsWith(`${folder}/`))
      .map(({ name }) => name.slice(folder.length + 1))
      .sort();
  }

  async mount(): Promise<void> {
    const { reference, home, timeoutS } = this.#options;
    const words = ["--cache-dir", home.cacheDir, "--cache-size", CACHE_SIZE, "--timeout", `${timeoutS}s`];
    const done = await this.#riffle(["mount", reference, this.place, "--plain-http", "--json", ...words]);
    if (done.status !== 0) {
      this.#counts.refused += 1;
      if (!OF_THE_LINK.has(done.status)) this.#violate("mount", done);
      return;
    }
    // what riffle mount --json prints
    this.#pid = (JSON.parse(done.stdout.toString()) as { pid: number }).pid;
    this.#counts.mounts += 1;
    this.#epoch += 1;
    this.#isUp = true;
  }

  async unmount(lazy: boolean): Promise<void> {
    this.#epoch += 1;
    this.#isUp = false;
    const done = await this.#riffle(["unmount", ...(lazy ? ["--lazy"] : []), this.place]);
    if (done.status === 1 && done.stderr.includes("in use")) {
      this.#counts.busy += 1;
      this.#isUp = true;
      return;
    }
    if (done.status !== 0) this.#violate("unmount", done);
    this.#counts[lazy ? "lazy" : "unmounts"] += 1;
    await this.#untilGone();
  }

  /** Kill -9, and then what the user does about it. */
  async kill(): Promise<void> {
    this.#epoch += 1;
    this.#isUp = false;
    process.kill(this.#pid, "SIGKILL");
    this.#counts.kills += 1;
    await this.#untilGone();
    const done = await this.#riffle(["unmount", this.place]);
    if (done.status !== 0) this.#violate("unmount of a dead mount", done);
  }

  async end(): Promise<void> {
    if (this.#isUp) await this.unmount(true);
  }

  async #untilGone(): Promise<void> {
    for (let waited = 0; waited < 600; waited += 1) {
      try {
        process.kill(this.#pid, 0);
      } catch {
        return;
      }
      await sleep(50);
    }
    this.violations.push(`${this.place}: process ${this.#pid} did not end`);
  }

  #riffle(words: readonly string[]): Promise<RunResult> {
    return riffle(words, { env: this.#options.home.environment, timeoutMs: 120_000 });
  }

  #violate(what: string, done: RunResult): void {
    this.violations.push(`${what} ${this.place}: status ${done.status}: ${done.stderr.trim().slice(0, 300)}`);
  }
}

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The compiled program: `npm run build` leaves it there. */
export const MAIN: string = join(import.meta.dirname, "../../dist/cli/main.js");

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

export interface Home {
  readonly path: string;
  readonly environment: Readonly<Record<string, string>>;
  remove(): void;
}

/** A user who has nothing: no configuration, cache, state or credentials but in a folder of the test's own. */
export function createHome(): Home {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run npm run build first`);
  const path = mkdtempSync(join(tmpdir(), "riffle-cli-"));
  const environment = {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: path,
    XDG_CACHE_HOME: join(path, "cache"),
    XDG_CONFIG_HOME: join(path, "config"),
    XDG_STATE_HOME: join(path, "state"),
    XDG_RUNTIME_DIR: join(path, "runtime"),
  };
  return { path, environment, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface RunOptions {
  readonly home: Home;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Called with the process id once it runs. */
  readonly onStart?: (pid: number) => void;
}

/** Runs riffle as a user would, to its end. */
export function riffle(words: readonly string[], options: RunOptions): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { ...options.home.environment, ...options.environment },
    cwd: options.cwd ?? options.home.path,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => stdout.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => stderr.push(bytes));
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  if (child.pid !== undefined) options.onStart?.(child.pid);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const bytes = Buffer.concat(stdout);
      const text = { stdout: bytes.toString(), stderr: Buffer.concat(stderr).toString() };
      resolve({ code, signal, stdoutBytes: bytes, ...text });
    });
  });
}

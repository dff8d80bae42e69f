import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { readMounts } from "../../src/mount/proc-mounts.ts";
import { createHome, riffle, type Home, type Outcome, type RunOptions } from "./cli.ts";
import { run, type RunResult } from "./processes.ts";

const PATIENCE_MS = 10_000;

/** A user of one test, everything of whom can be found again: by the places, and by the environment of the processes. */
export interface FaultHome extends Home {
  /** An empty directory to mount at, made when it is first asked for. */
  place(name: string): string;
  riffle(words: readonly string[], options?: Omit<RunOptions, "home">): Promise<Outcome>;
  /** A shell beside us, which may read mounts and is killed after `timeoutMs` (default 60 s). */
  sh(script: string, timeoutMs?: number): Promise<RunResult>;
  /** Processes that run with this home. */
  readonly processes: () => readonly number[];
  readonly mounts: () => readonly string[];
  /** Fails when a process, mount, socket, state file or temporary file is left; what is left is removed. */
  end(): Promise<void>;
}

export function faultHome(): FaultHome {
  const home = createHome();
  const temporary = join(home.path, "tmp");
  mkdirSync(temporary);
  const environment = { ...home.environment, TMPDIR: temporary };
  const mounts = (): readonly string[] =>
    readMounts()
      .map(({ mountpoint }) => mountpoint)
      .filter((mountpoint) => mountpoint.startsWith(`${home.path}/`));
  const left = (): Record<string, readonly unknown[]> => ({
    processes: processesOf(home.path),
    mounts: mounts(),
    runtime: listed(join(home.path, "runtime/riffle")),
    temporary: listed(temporary),
  });
  return {
    ...home,
    environment,
    place: (name) => {
      const path = join(home.path, name);
      mkdirSync(path, { recursive: true });
      return path;
    },
    riffle: (words, options = {}) => riffle(words, { home: { ...home, environment }, ...options }),
    sh: (script, timeoutMs = 60_000) => run("sh", ["-c", script], { cwd: home.path, timeoutMs }),
    processes: () => processesOf(home.path),
    mounts,
    end: async () => {
      const none = { processes: [], mounts: [], runtime: [], temporary: [] };
      try {
        // not expect.poll, which hooks that run after all tests may not use
        for (let waited = 0; waited < PATIENCE_MS && !isDeepStrictEqual(left(), none); waited += 50) await sleep(50);
        expect(left()).toEqual(none);
      } finally {
        for (const pid of processesOf(home.path)) process.kill(pid, "SIGKILL");
        for (const mountpoint of mounts()) spawnSync("umount", ["-l", mountpoint]);
        home.remove();
      }
    },
  };
}

function listed(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function processesOf(home: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`HOME=${home}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

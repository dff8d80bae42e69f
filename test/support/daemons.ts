import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect } from "vitest";
import { readMounts } from "../../src/mount/proc-mounts.ts";
import { processIdentity, processState, type ProcessIdentity } from "../../src/mount/process-identity.ts";
import type { SessionState } from "../../src/mount/session-state.ts";
import { spawnDaemon } from "../../src/mount/spawn-daemon.ts";
import { PROGRAMS } from "./mounted-child.ts";
import type { MemoryDaemonPayload } from "./programs/memory-daemon.ts";

export const SECRET = "s3cr3t-payload";
export const DAEMON_ENTRY: URL = pathToFileURL(join(PROGRAMS, "memory-daemon.js"));

export interface StartedDaemon {
  readonly pid: number;
  readonly identity: ProcessIdentity;
  readonly state: SessionState;
}

/** A mountpoint and a state directory for each test of a file. */
export interface DaemonFixture {
  readonly home: string;
  readonly directory: string;
  readonly mountpoint: string;
  payload(changes?: Partial<MemoryDaemonPayload>): MemoryDaemonPayload;
  start(changes?: Partial<MemoryDaemonPayload>): Promise<StartedDaemon>;
  remember(pid: number): ProcessIdentity;
}

/** Every test leaves no process, mount, socket or state file, by itself: what is left fails it, and is removed. */
export function daemonFixture(): DaemonFixture {
  const places = { home: "", directory: "", mountpoint: "" };
  const daemons: ProcessIdentity[] = [];
  beforeEach(() => {
    places.home = mkdtempSync(join(tmpdir(), "riffle-daemon-"));
    places.directory = join(places.home, "state");
    places.mountpoint = mkdtempSync(join(tmpdir(), "riffle-at-"));
  });
  afterEach(() => {
    const { home, directory, mountpoint } = places;
    const left = {
      processes: daemons.filter((daemon) => processState(daemon) === "running").map(({ pid }) => pid),
      mounts: readMounts().filter((mount) => mount.mountpoint === mountpoint).length,
      state: existsSync(directory) ? readdirSync(directory) : [],
    };
    for (const pid of left.processes) process.kill(pid, "SIGKILL");
    if (left.mounts > 0) spawnSync("umount", ["-i", "-c", "-l", mountpoint]);
    daemons.length = 0;
    rmdirSync(mountpoint);
    rmSync(home, { recursive: true });
    expect(left).toEqual({ processes: [], mounts: 0, state: [] });
  });
  const payload = (changes: Partial<MemoryDaemonPayload> = {}): MemoryDaemonPayload => ({
    backend: "kernel",
    mountpoint: places.mountpoint,
    directory: places.directory,
    secret: SECRET,
    behaviour: "serve",
    ...changes,
  });
  const remember = (pid: number): ProcessIdentity => {
    const identity = processIdentity(pid);
    if (identity === undefined) throw new Error(`no process ${pid}`);
    daemons.push(identity);
    return identity;
  };
  return {
    get home() {
      return places.home;
    },
    get directory() {
      return places.directory;
    },
    get mountpoint() {
      return places.mountpoint;
    },
    payload,
    remember,
    start: async (changes) => {
      const daemon = await spawnDaemon({ entry: DAEMON_ENTRY, payload: payload(changes), timeoutMs: 20_000 });
      // Our own test program says so.
      return { pid: daemon.pid, identity: remember(daemon.pid), state: daemon.session as SessionState };
    },
  };
}

export async function untilGone(identity: ProcessIdentity): Promise<void> {
  await expect.poll(() => processState(identity), { timeout: 10_000, interval: 20 }).toBe("gone");
}

/** Holds a file open while `use` runs. */
export async function whileOpen(file: string, use: () => Promise<void>): Promise<void> {
  const fd = openSync(file, "r");
  try {
    await use();
  } finally {
    try {
      closeSync(fd);
    } catch {
      // Its file system is gone.
    }
  }
}

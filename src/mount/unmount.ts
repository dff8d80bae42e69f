import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isRiffleError, RiffleError } from "../errors.ts";
import { askDaemon } from "./control-client.ts";
import { abortConnection } from "./fuse-abort.ts";
import { findMountpoint } from "./mountpoint-path.ts";
import { isStopped, processState } from "./process-identity.ts";
import { mountUsers, riffleMountAt, riffleMounts } from "./riffle-mounts.ts";
import type { StoredSession } from "./session-state.ts";
import { forgetSession, listSessions, type Session } from "./sessions.ts";
import { unmountByTool } from "./unmount-tools.ts";

export interface UnmountOptions {
  /** The state directory. */
  readonly directory: string;
  /** Detach now, end when the last open file is closed. */
  readonly lazy?: boolean;
  /** Bounds each wait for the daemon; when it is over, the mount is taken by force. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
/** For a daemon that did not answer at once. */
const HUNG_MS = 3000;
const POLL_MS = 20;

/**
 * Unmounts what riffle mounted at `target`, a directory or a listed session, and ends its process: afterwards there is no
 * mount, process, socket or state file (a lazy unmount leaves the process until its last file is closed). Dead and hung mounts
 * are removed as well. Throws `not-found` when riffle mounted nothing there, `exists` when the mount is in use.
 */
export async function unmountAt(target: string | Session, options: UnmountOptions): Promise<Session | undefined> {
  if (typeof target !== "string") return unmountSession(target, options);
  const mounts = riffleMounts();
  const mountpoint = findMountpoint(target, mounts);
  if (mountpoint === undefined) {
    throw new RiffleError("not-found", `nothing is mounted by riffle at ${target}`, {
      hint: "riffle status shows all",
    });
  }
  const device = riffleMountAt(mountpoint, mounts)?.device;
  const sessions = await listSessions({ directory: options.directory });
  const session = sessions.find((one) => one.mountpoint === mountpoint && one.device === device);
  if (session !== undefined) return unmountSession(session, options);
  // Made under another state directory, or by another user: the tools know who may.
  await takeOut(mountpoint, options.lazy === true);
  return undefined;
}

async function unmountSession(session: Session, options: UnmountOptions): Promise<Session> {
  switch (session.status) {
    case "ready":
    case "indexing":
      await unmountLive(session, options);
      break;
    case "dead":
      await takeOut(session.mountpoint, true);
      break;
    case "hung":
      await unmountHung(session, options);
      break;
  }
  if (session.stored !== undefined && processState(session.stored.state.process) === "gone") {
    forgetSession(session.stored);
  }
  return session;
}

async function unmountLive(session: Session, options: UnmountOptions): Promise<void> {
  const stored = session.stored;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const lazy = options.lazy === true;
  if (stored === undefined) return takeOut(session.mountpoint, lazy);
  try {
    await askDaemon(stored.state.socket, { op: "unmount", lazy }, { timeoutMs });
  } catch (error) {
    if (!isRiffleError(error)) throw error;
    if (error.code === "timeout") return unmountByForce(session);
    if (error.code === "exists") throw busy(session.mountpoint, error);
    // It ended in between, or speaks another protocol version: its mount ends it.
    if (isMounted(session)) await takeOut(session.mountpoint, lazy);
  }
  if (lazy) return undefined;
  const isOver = (): boolean => !isMounted(session) && !(stored.state.dedicated ? isRunning : isKept)(stored);
  if (!(await waitFor(isOver, timeoutMs))) await unmountByForce(session);
}

/** One that is only busy answers late; one that is stopped, never. */
async function unmountHung(session: Session, options: UnmountOptions): Promise<void> {
  const stored = session.stored;
  if (stored === undefined || isStopped(stored.state.process)) return unmountByForce(session);
  return unmountLive(session, { ...options, timeoutMs: Math.min(options.timeoutMs ?? HUNG_MS, HUNG_MS) });
}

/** The connection is cut first, so that nobody, neither a reader nor a tool, waits for a process that does not answer. */
async function unmountByForce(session: Session): Promise<void> {
  const stored = session.stored;
  const aborted = await abortConnection(session.device);
  // Without the right to cut it, its end cuts it.
  if (!aborted && stored !== undefined) killDedicated(stored);
  if (isMounted(session)) await takeOut(session.mountpoint, true);
  if (stored === undefined || !stored.state.dedicated) return;
  killDedicated(stored);
  if (!(await waitFor(() => !isRunning(stored), TIMEOUT_MS))) {
    const { pid } = stored.state.process;
    throw new RiffleError("machine", `process ${pid} of ${session.mountpoint} cannot be ended`, { facts: { pid } });
  }
}

/** A program that mounts among other things is not ours to kill. */
function killDedicated(stored: StoredSession): void {
  if (!stored.state.dedicated || !isRunning(stored)) return;
  try {
    process.kill(stored.state.process.pid, "SIGKILL");
  } catch {
    // It ended between the look and the signal.
  }
}

async function takeOut(mountpoint: string, lazy: boolean): Promise<void> {
  const result = await unmountByTool(mountpoint, { lazy });
  if (result.ok) return;
  if (/busy/i.test(result.complaint)) throw busy(mountpoint);
  throw new RiffleError("permission", `cannot unmount ${mountpoint}: ${result.complaint}`, {
    hint: "ask the user who mounted it, or root",
  });
}

/** The error for a mount in use, with the processes that hold it where they can be seen. */
function busy(mountpoint: string, cause?: unknown): RiffleError {
  const users = mountUsers(mountpoint);
  const by = users.length === 0 ? "" : ` by process ${users.join(", ")}`;
  return new RiffleError("exists", `${mountpoint} is in use${by}`, {
    hint: "close what is open there, or use --lazy",
    facts: { mountpoint, users: users.join(",") },
    ...(cause === undefined ? {} : { cause }),
  });
}

function isMounted(session: Session): boolean {
  return riffleMounts().some((mount) => mount.device === session.device && mount.mountpoint === session.mountpoint);
}

function isRunning(stored: StoredSession): boolean {
  return processState(stored.state.process) === "running";
}

/** The last thing that a session removes is its state file, after which its program may go on. */
function isKept(stored: StoredSession): boolean {
  return existsSync(stored.file);
}

async function waitFor(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  for (let waited = 0; waited < timeoutMs; waited += POLL_MS) {
    if (condition()) return true;
    await sleep(POLL_MS);
  }
  return condition();
}

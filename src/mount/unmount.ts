import { setTimeout as sleep } from "node:timers/promises";
import { isRiffleError, RiffleError } from "../errors.ts";
import { askDaemon } from "./control-client.ts";
import { abortConnection } from "./fuse-abort.ts";
import { findMountpoint } from "./mountpoint-path.ts";
import { processState } from "./process-identity.ts";
import { mountUsers, riffleMountAt, riffleMounts } from "./riffle-mounts.ts";
import type { SessionState } from "./session-state.ts";
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
  if (mountpoint === undefined) throw new RiffleError("not-found", `nothing is mounted by riffle at ${target}`);
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
      await unmountHung(session);
      break;
  }
  if (session.stored !== undefined && processState(session.stored.state.process) === "gone") {
    forgetSession(session.stored);
  }
  return session;
}

async function unmountLive(session: Session, options: UnmountOptions): Promise<void> {
  const state = session.stored?.state;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const lazy = options.lazy === true;
  if (state === undefined) return takeOut(session.mountpoint, lazy);
  try {
    await askDaemon(state.socket, { op: "unmount", lazy }, { timeoutMs });
  } catch (error) {
    if (!isRiffleError(error)) throw error;
    if (error.code === "timeout") return unmountHung(session);
    if (error.code === "exists") throw busy(session.mountpoint, error);
    // It ended in between, or speaks another protocol version: its mount ends it.
    if (isMounted(session)) await takeOut(session.mountpoint, lazy);
  }
  if (lazy) return undefined;
  const ended = await waitFor(() => !isMounted(session) && !isRunning(state), timeoutMs);
  if (!ended) await unmountHung(session);
}

/** The connection is cut first, so that nobody, neither a reader nor a tool, waits for a process that does not answer. */
async function unmountHung(session: Session): Promise<void> {
  const aborted = await abortConnection(session.device);
  // Without the right to cut it, its end cuts it.
  const state = session.stored?.state;
  if (!aborted && state !== undefined) killDaemon(state);
  if (isMounted(session)) await takeOut(session.mountpoint, true);
  if (state === undefined) return;
  killDaemon(state);
  if (!(await waitFor(() => !isRunning(state), TIMEOUT_MS))) {
    throw new RiffleError("machine", `process ${state.process.pid} of ${session.mountpoint} cannot be ended`, {
      facts: { pid: state.process.pid },
    });
  }
}

function killDaemon(state: SessionState): void {
  if (!isRunning(state)) return;
  try {
    process.kill(state.process.pid, "SIGKILL");
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

function isRunning(state: SessionState): boolean {
  return processState(state.process) === "running";
}

async function waitFor(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  for (let waited = 0; waited < timeoutMs; waited += POLL_MS) {
    if (condition()) return true;
    await sleep(POLL_MS);
  }
  return condition();
}

import type { ArtifactStats } from "../artifact/accounting.ts";
import { isRiffleError } from "../errors.ts";
import { askDaemon } from "./control-client.ts";
import { removeSocket, socketsIn } from "./control-server.ts";
import { removePrivateMountpoint } from "./private-mount.ts";
import { isStopped, processIdentity, processState } from "./process-identity.ts";
import { isServed, riffleMounts, type RiffleMount } from "./riffle-mounts.ts";
import {
  readSessionStates,
  removeDrafts,
  removeSessionState,
  type SessionState,
  type StoredSession,
} from "./session-state.ts";
import { unmountByTool } from "./unmount-tools.ts";

/**
 * - `ready`, `indexing`: its process says so
 * - `dead`: mounted, and the process that served it is gone
 * - `hung`: its process lives and does not answer
 */
export type SessionStatus = "ready" | "indexing" | "dead" | "hung";

export interface Session {
  readonly status: SessionStatus;
  readonly mountpoint: string;
  /** `major:minor`. */
  readonly device: string;
  /** The pinned reference. */
  readonly reference: string;
  /** Undefined for a mount that left no state file. */
  readonly stored: StoredSession | undefined;
  /** The accounting object, of sessions that answer. */
  readonly stats: Readonly<Record<string, unknown>> | undefined;
}

export interface SessionOptions {
  /** The state directory. */
  readonly directory: string;
  /** How long a daemon may take to answer before it counts as hung; by default longer where it is busy than where it is stopped. */
  readonly answerTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

const ANSWER_TIMEOUT_MS = 1000;
/** Twenty daemons that are asked at once on a machine at work are slow, not hung. */
const BUSY_TIMEOUT_MS = 5000;

/**
 * The riffle mounts of this user, oldest first. Touches no path below any of them, so that no dead or hung mount can hang
 * it; removes what ended sessions left in the state directory.
 */
export async function listSessions(options: SessionOptions): Promise<readonly Session[]> {
  const uid = process.getuid?.() ?? 0;
  // In this order: a mount whose state file is written between the two reads would otherwise look like an orphan.
  const mounts = riffleMounts().filter((mount) => mount.uid === uid);
  const stored = readSessionStates(options.directory);
  const judged = await Promise.all(stored.map((session) => judge(session, mounts, options)));
  const known = judged.filter((session) => session !== undefined);
  return [...known, ...orphans(mounts, stored)];
}

/**
 * Removes state files, drafts, sockets and private mounts of sessions whose process was killed. Other mounts stay: a dead
 * one is shown by `listSessions` until someone unmounts it.
 */
export async function cleanStale(directory: string): Promise<void> {
  const mounts = riffleMounts();
  const stored = readSessionStates(directory);
  for (const session of stored) {
    if (processState(session.state.process) !== "gone") continue;
    const isMounted = mountOf(session.state, mounts) !== undefined;
    // Nobody knows of a private mount but the command that was killed.
    const isFree = !isMounted || (session.state.privateDirectory !== undefined && (await takenOut(session.state)));
    if (isFree) forgetSession(session);
  }
  removeDrafts(directory, (pid) => processIdentity(pid) !== undefined);
  const named = new Set(stored.map(({ state }) => state.socket));
  for (const socket of socketsIn(directory).filter((path) => !named.has(path))) {
    // A daemon that is about to mount listens already; only a dead one's socket refuses.
    const isDead = await askDaemon(socket, { op: "ping" }, { timeoutMs: ANSWER_TIMEOUT_MS }).then(
      () => false,
      (error: unknown) => isRiffleError(error) && error.code === "closed",
    );
    if (isDead) removeSocket(socket);
  }
}

async function takenOut({ mountpoint }: SessionState): Promise<boolean> {
  return (await unmountByTool(mountpoint, { lazy: true })).ok;
}

const NO_KINDS = { token: 0, manifest: 0, blob: 0, other: 0 };
const UNCOUNTED = {
  files: 0,
  size: 0,
  reads: 0,
  bytesRead: 0,
  bytesFromCache: 0,
  requests: 0,
  requestsByKind: NO_KINDS,
  bytesFetched: 0,
  bytesFetchedByKind: NO_KINDS,
  bytesVerified: 0,
  retries: 0,
  hedged: 0,
  errors: 0,
  passthrough: false,
  amplification: null,
  cache: { bytes: 0, limit: 0 },
  prefetch: null,
};

/** INTERFACE section 4 for every session: of one that does not answer, what is known without it, and zeros. */
export function sessionReport({ status, mountpoint, reference, stored, stats }: Session): ArtifactStats {
  const state = stored?.state;
  const silent: ArtifactStats = {
    reference,
    digest: state?.digest ?? /@(sha(?:256|512):[0-9a-f]+)$/.exec(reference)?.[1] ?? "",
    mountpoint,
    pid: state?.process.pid ?? 0,
    backend: state?.backend ?? null,
    state: status,
    since: state?.since ?? new Date(0).toISOString(),
    ...UNCOUNTED,
  };
  // A daemon of this protocol version answers with that very shape; a later one may add to it.
  return { ...silent, ...(stats as Partial<ArtifactStats> | undefined), state: status };
}

/** Removes everything a session keeps outside its mount. */
export function forgetSession(session: StoredSession): void {
  const { file, state } = session;
  removeSocket(state.socket);
  if (state.privateDirectory !== undefined) removePrivateMountpoint(state.privateDirectory);
  removeSessionState(file);
}

async function judge(
  stored: StoredSession,
  mounts: readonly RiffleMount[],
  options: SessionOptions,
): Promise<Session | undefined> {
  const { state } = stored;
  const process = processState(state.process);
  // Another pid namespace's sessions are neither ours to judge nor to clean.
  if (process === "elsewhere") return undefined;
  const mounted = mountOf(state, mounts) !== undefined;
  if (process === "gone" && !mounted) {
    forgetSession(stored);
    return undefined;
  }
  // Detached while files are open, or about to end.
  if (!mounted) return undefined;
  const { mountpoint, device, reference } = state;
  const session = { mountpoint, device, reference, stored };
  if (process === "gone") return { ...session, status: "dead", stats: undefined };
  return { ...session, ...(await ask(state, options)) };
}

async function ask(state: SessionState, options: SessionOptions): Promise<Pick<Session, "status" | "stats">> {
  try {
    const stats = await askDaemon(
      state.socket,
      { op: "stats" },
      {
        timeoutMs: options.answerTimeoutMs ?? (isStopped(state.process) ? ANSWER_TIMEOUT_MS : BUSY_TIMEOUT_MS),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
    );
    return { status: stats["state"] === "indexing" ? "indexing" : "ready", stats };
  } catch (error) {
    options.signal?.throwIfAborted();
    const silent = isRiffleError(error) && (error.code === "timeout" || error.code === "closed");
    // An answer that this version cannot use is an answer all the same.
    return { status: silent ? "hung" : "ready", stats: undefined };
  }
}

function mountOf(state: SessionState, mounts: readonly RiffleMount[]): RiffleMount | undefined {
  return mounts.find((mount) => mount.device === state.device && mount.mountpoint === state.mountpoint);
}

/** Mounts without a state file here. One that a process still serves belongs to another state directory. */
function orphans(mounts: readonly RiffleMount[], stored: readonly StoredSession[]): readonly Session[] {
  return mounts
    .filter((mount) => !stored.some(({ state }) => mountOf(state, [mount]) !== undefined) && !isServed(mount.device))
    .map((mount) => ({
      status: "dead",
      mountpoint: mount.mountpoint,
      device: mount.device,
      reference: mount.source,
      stored: undefined,
      stats: undefined,
    }));
}

import type { ArtifactStats } from "../artifact/accounting.ts";
import type { Artifact } from "../artifact/artifact.ts";
import type { EndReason, PageCache } from "../mount/backend.ts";
import { chooseBackend, type BackendName } from "../mount/choose-backend.ts";
import { errnoNameOf } from "../mount/errno.ts";
import { mountFacts } from "../mount/mount-artifact.ts";
import { startMountSession, type MountSession } from "../mount/mount-session.ts";
import { cleanStale } from "../mount/sessions.ts";
import type { Log } from "./log.ts";
import { openOrdered, type OpenOrder } from "./open.ts";

/** Whoever waits for the mount is told first. */
const AFTER_READY_MS = 5;

export interface MountWords {
  readonly backend: BackendName;
  readonly allowOther: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  readonly pageCache: PageCache;
}

/** All that makes a mount; JSON, so that a daemon can be told of it. */
export interface MountOrder {
  readonly open: OpenOrder;
  readonly mountpoint: string;
  readonly words: MountWords;
  /** Where the session's state file and socket go. */
  readonly runtimeDir: string;
  readonly logPath?: string;
  /** The mountpoint was made for this mount and goes with it. */
  readonly isPrivate?: boolean;
}

/** A mounted artifact. It is over when `ended` resolves: mount, session and artifact are gone then. */
export interface ArtifactMount {
  readonly artifact: Artifact;
  readonly session: MountSession;
  readonly ended: Promise<EndReason>;
  stats(): ArtifactStats;
}

/** Opens and mounts. Rejects with nothing left behind. */
export async function mountArtifact(
  order: MountOrder,
  options: { readonly signal: AbortSignal; readonly log: Log },
): Promise<ArtifactMount> {
  const { signal, log } = options;
  const { words } = order;
  const backend = await chooseBackend(words.backend);
  // What killed ones left is of no concern to this mount, whether it can be removed or not.
  const cleaned = cleanStale(order.runtimeDir).catch(() => undefined);
  const artifact = await openOrdered(order.open, { signal, log, errnoOf: errnoNameOf });
  try {
    await cleaned;
    signal.throwIfAborted();
    const { backend: _, ...mount } = words;
    const session = await startMountSession(backend, artifact.served, {
      mount: { ...mount, mountpoint: order.mountpoint, source: artifact.reference, log },
      directory: order.runtimeDir,
      reference: artifact.reference,
      digest: artifact.digest,
      // `riffle run` lives for its command: it is not to be killed for the sake of its mount.
      isDedicated: order.isPrivate !== true,
      stats: () => artifact.stats(),
      ...(order.logPath !== undefined && { logPath: order.logPath }),
      ...(order.isPrivate === true && { isPrivate: true }),
    });
    const finish = async (): Promise<EndReason> => {
      const reason = await session.ended;
      await artifact.close();
      return reason;
    };
    const { mountpoint } = session.state;
    artifact.mounted(() => mountFacts(session.mounted, mountpoint));
    setTimeout(() => void practise(log), AFTER_READY_MS).unref();
    return { artifact, session, ended: finish(), stats: () => artifact.stats() };
  } catch (error) {
    await artifact.close();
    throw error;
  }
}

/** In a cache of its own, which ends with it. */
async function practise(log: Log): Promise<void> {
  const { openCache } = await import("../cache/open-cache.ts");
  const { rehearse } = await import("../artifact/rehearsal.ts");
  const cache = await openCache();
  try {
    await rehearse(cache);
  } catch (error) {
    log("debug", `the rehearsal of reads failed: ${String(error)}`);
  } finally {
    await cache.close();
  }
}

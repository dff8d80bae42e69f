import type { ArtifactStats, MountFacts } from "../artifact/accounting.ts";
import type { Artifact } from "../artifact/artifact.ts";
import type { EndReason, Mounted, PageCache } from "../mount/backend.ts";
import { startMountSession, type MountSession } from "../mount/mount-session.ts";
import { chooseBackend } from "./backend.ts";
import type { Log } from "./log.ts";
import { openOrdered, type OpenOrder } from "./open.ts";

export interface MountWords {
  readonly backend: "auto" | "kernel" | "libfuse";
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

/** What the mount adds to the counters of its artifact. */
function factsOf(mounted: Mounted, mountpoint: string): MountFacts {
  const { reads, bytesRead, bytesProven } = mounted.counters();
  const warm = { reads, bytes: bytesRead, bytesProven };
  return { mountpoint, backend: mounted.backend, passthrough: mounted.passthrough, warm };
}

/** Opens and mounts. Rejects with nothing left behind. */
export async function mountArtifact(
  order: MountOrder,
  options: { readonly signal: AbortSignal; readonly log: Log },
): Promise<ArtifactMount> {
  const { signal, log } = options;
  const { words } = order;
  const backend = await chooseBackend(words.backend);
  const artifact = await openOrdered(order.open, { signal, log });
  try {
    signal.throwIfAborted();
    const { backend: _, ...mount } = words;
    const session = await startMountSession(backend, artifact.served, {
      mount: { ...mount, mountpoint: order.mountpoint, source: artifact.reference, log },
      directory: order.runtimeDir,
      reference: artifact.reference,
      digest: artifact.digest,
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
    artifact.mounted(() => factsOf(session.mounted, mountpoint));
    return { artifact, session, ended: finish(), stats: () => artifact.stats() };
  } catch (error) {
    await artifact.close();
    throw error;
  }
}

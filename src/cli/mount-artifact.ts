import { openArtifact, type Artifact, type OpenOptions } from "../artifact/artifact.ts";
import type { ArtifactStats } from "../artifact/accounting.ts";
import type { EndReason, Mounted, PageCache } from "../mount/backend.ts";
import { startMountSession, type MountSession } from "../mount/mount-session.ts";
import { chooseBackend } from "./backend.ts";
import type { Log } from "./log.ts";

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
  readonly reference: string;
  readonly mountpoint: string;
  readonly words: MountWords;
  readonly open: Omit<OpenOptions, "signal" | "log">;
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

/** The counters of the artifact with those of its mount. */
function statsOf(artifact: Artifact, mounted: Mounted, mountpoint: string): ArtifactStats {
  const base = artifact.stats();
  const warm = mounted.counters();
  const bytesRead = base.bytesRead + warm.bytesRead;
  const { passthrough } = mounted;
  const blobBytes = base.bytesFetchedByKind.blob;
  return {
    ...base,
    mountpoint,
    backend: mounted.backend,
    passthrough,
    reads: base.reads + warm.reads,
    bytesRead,
    bytesFromCache: base.bytesFromCache + warm.bytesFromCache,
    bytesVerified: base.bytesVerified + warm.bytesProven,
    amplification: bytesRead === 0 || passthrough ? null : Number((blobBytes / bytesRead).toFixed(4)),
  };
}

/** Opens and mounts. Rejects with nothing left behind. */
export async function mountArtifact(
  order: MountOrder,
  options: { readonly signal: AbortSignal; readonly log: Log },
): Promise<ArtifactMount> {
  const { signal, log } = options;
  const { words } = order;
  const backend = await chooseBackend(words.backend);
  const artifact = await openArtifact(order.reference, { ...order.open, signal, log });
  try {
    signal.throwIfAborted();
    const { backend: _, ...mount } = words;
    const session = await startMountSession(backend, artifact.served, {
      mount: { ...mount, mountpoint: order.mountpoint, source: artifact.reference, log },
      directory: order.runtimeDir,
      reference: artifact.reference,
      digest: artifact.digest,
      stats: (mounted, mountpoint) => statsOf(artifact, mounted, mountpoint),
      ...(order.logPath !== undefined && { logPath: order.logPath }),
      ...(order.isPrivate === true && { isPrivate: true }),
    });
    const finish = async (): Promise<EndReason> => {
      const reason = await session.ended;
      await artifact.close();
      return reason;
    };
    const { mountpoint } = session.state;
    return { artifact, session, ended: finish(), stats: () => statsOf(artifact, session.mounted, mountpoint) };
  } catch (error) {
    await artifact.close();
    throw error;
  }
}

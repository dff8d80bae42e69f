import type { Artifact } from "../artifact/artifact.ts";
import type { MountFacts } from "../artifact/accounting.ts";
import type { LogLevel, Mounted, PageCache } from "./backend.ts";
import type { SharedThreads } from "../formats/shared-threads.ts";
import { chooseBackend, type BackendName } from "./choose-backend.ts";

export interface ArtifactMountOptions {
  readonly backend?: BackendName;
  readonly allowOther?: boolean;
  /** Owners shown for files that name none; default this process's user. */
  readonly uid?: number;
  readonly gid?: number;
  readonly umask?: number;
  readonly pageCache?: PageCache;
  readonly log?: (level: LogLevel, message: string) => void;
}

/** A mount within this process. Another process must read it: this one would wait for itself. */
export interface ArtifactMount extends AsyncDisposable {
  readonly mountpoint: string;
  readonly backend: "kernel" | "libfuse";
  /** Resolves when the mount is gone, however it was unmounted. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** What `mounted` adds to the accounting of its artifact. */
export function mountFacts(mounted: Mounted, mountpoint: string): MountFacts {
  const { reads, bytesRead, bytesProven } = mounted.counters();
  const warm = { reads, bytes: bytesRead, bytesProven };
  return { mountpoint, backend: mounted.backend, passthrough: mounted.passthrough, warm };
}

export async function mountArtifact(
  artifact: Artifact,
  options: ArtifactMountOptions & { readonly mountpoint: string; readonly threads?: SharedThreads | undefined },
): Promise<ArtifactMount> {
  const { mountpoint } = options;
  const backend = await chooseBackend(options.backend ?? "auto", { threads: options.threads });
  const mounted = await backend.mount(artifact.served, {
    mountpoint,
    source: artifact.reference,
    uid: options.uid ?? process.getuid?.() ?? 0,
    gid: options.gid ?? process.getgid?.() ?? 0,
    umask: options.umask ?? 0,
    pageCache: options.pageCache ?? "auto",
    log: options.log ?? (() => undefined),
    onEnd: () => undefined,
    ...(options.allowOther === undefined ? {} : { allowOther: options.allowOther }),
  });
  artifact.mounted(() => mountFacts(mounted, mountpoint));
  const close = (): Promise<void> => mounted.close();
  return { mountpoint, backend: mounted.backend, ended: mounted.ended, close, [Symbol.asyncDispose]: close };
}

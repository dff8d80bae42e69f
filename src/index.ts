import type { Artifact } from "./artifact/artifact.ts";
import { openArtifact, type OpenOptions } from "./artifact/open-artifact.ts";
import { mountArtifact, type ArtifactMount, type ArtifactMountOptions } from "./mount/mount-artifact.ts";

export type { Artifact, Entry } from "./artifact/artifact.ts";
export type { ArtifactFile } from "./artifact/artifact-file.ts";
export type { ArtifactStats } from "./artifact/accounting.ts";
export { createEngine, type Engine, type EngineOptions } from "./artifact/engine.ts";
export type { OpenOptions } from "./artifact/open-artifact.ts";
export type { ByteRange } from "./bytes/range.ts";
export { memorySource, sliceSource, type Priority, type RangeSource, type ReadOptions } from "./bytes/source.ts";
export { isRiffleError, RiffleError, type ErrorCode, type ErrorFacts } from "./errors.ts";
export type { TreeWarning } from "./layers/names.ts";
export type { ArtifactMount, ArtifactMountOptions } from "./mount/mount-artifact.ts";
export type { Descriptor } from "./oci/descriptor.ts";
export type { ImageManifest, IndexManifest, Manifest } from "./oci/manifest.ts";

/** An opened artifact that can also be mounted. */
export interface OpenedArtifact extends Artifact {
  /** Mounts at an existing directory; unmounts when closed, and when the artifact is. Another process must read it. */
  mount(directory: string, options?: ArtifactMountOptions): Promise<ArtifactMount>;
}

/**
 * Opens what `reference` names: resolves it, pins the digest, and fetches the manifest. Rejects with a `RiffleError`.
 * Nothing is printed; the cache is `options.cacheDir`, or memory alone without it.
 */
export async function open(reference: string, options: OpenOptions = {}): Promise<OpenedArtifact> {
  const artifact = await openArtifact(reference, options);
  const mounts = new Set<ArtifactMount>();
  const mount = async (directory: string, mountOptions?: ArtifactMountOptions): Promise<ArtifactMount> => {
    const mounted = await mountArtifact(artifact, { ...mountOptions, mountpoint: directory });
    mounts.add(mounted);
    void mounted.ended.then(() => mounts.delete(mounted));
    return mounted;
  };
  const close = async (): Promise<void> => {
    await Promise.all([...mounts].map((mounted) => mounted.close()));
    await artifact.close();
  };
  return { ...artifact, mount, close, [Symbol.asyncDispose]: close };
}

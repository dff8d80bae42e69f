import type { Artifact } from "../artifact/artifact.ts";
import type { Digest } from "../bytes/digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { ImageManifest, Manifest } from "../oci/manifest.ts";
import { contentEntries } from "../oci/platform.ts";

export interface ArtifactDocuments {
  /** What the reference names. */
  readonly top: Manifest;
  /** The manifests whose layers make the tree: `top` itself, or every entry of an index without platforms. */
  readonly manifests: readonly ImageManifest[];
}

const DEEPEST = 4;

async function collect(artifact: Artifact, manifest: Manifest, found: ImageManifest[], depth: number): Promise<void> {
  if (manifest.kind === "manifest") {
    found.push(manifest);
    return;
  }
  if (depth >= DEEPEST) return;
  for (const entry of contentEntries(manifest)) {
    await collect(artifact, await artifact.registry.manifest(entry), found, depth + 1);
  }
}

/** All manifests of an artifact; those of an index are fetched. */
export async function documentsOf(artifact: Artifact): Promise<ArtifactDocuments> {
  const manifests: ImageManifest[] = [];
  await collect(artifact, artifact.manifest, manifests, 0);
  return { top: artifact.manifest, manifests };
}

/** Every layer once, by digest. */
export function layersOf({ manifests }: ArtifactDocuments): ReadonlyMap<Digest, Descriptor> {
  return new Map(manifests.flatMap(({ layers }) => layers.map((layer) => [layer.digest, layer])));
}

import type { Annotations, Descriptor } from "./descriptor.ts";

interface ManifestBase {
  /** What the registry served; `descriptor.digest` is theirs. */
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly annotations: Annotations;
  readonly subject?: Descriptor;
}

/** OCI image manifest or Docker schema 2 manifest. */
export interface ImageManifest extends ManifestBase {
  readonly kind: "manifest";
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** OCI image index or Docker manifest list. */
export interface IndexManifest extends ManifestBase {
  readonly kind: "index";
  readonly manifests: readonly Descriptor[];
}

export type Manifest = ImageManifest | IndexManifest;

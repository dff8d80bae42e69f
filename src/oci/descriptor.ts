import type { Digest } from "../bytes/digest.ts";

export type Annotations = Readonly<Record<string, string>>;

/** OCI image-spec v1.1 image-index.md, "platform". */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** OCI image-spec v1.1 descriptor.md. Sizes are safe integers; `data` is decoded and checked against the digest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations: Annotations;
  readonly artifactType?: string;
  readonly platform?: Platform;
  readonly data?: Uint8Array;
}

import type { Digest } from "../bytes/digest.ts";

/** `HOST[:PORT]/REPO[:TAG][@DIGEST]`; where both are given the digest decides and the tag is only shown. */
export interface RegistryReference {
  readonly kind: "registry";
  /** `host` or `host:port`, as in the Docker credential file; `docker.io` for Docker Hub. */
  readonly host: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** `oci:DIR[:TAG]` or `oci:DIR@DIGEST`: a local OCI image layout directory. */
export interface LayoutReference {
  readonly kind: "layout";
  readonly directory: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export type Reference = RegistryReference | LayoutReference;

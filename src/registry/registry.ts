import type { Digest } from "../bytes/digest.ts";
import type { ReadOptions, StreamingSource } from "../bytes/source.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Manifest } from "../oci/manifest.ts";
import type { Reference } from "../oci/reference.ts";

export interface ReferrerOptions extends ReadOptions {
  readonly artifactType?: string;
}

/** One repository, read-only. What has a digest comes back checked against it; blob bytes do not. */
export interface Registry {
  /** The only mutable name: a tag, or the digest when the reference has one. */
  resolve(reference: Reference, options?: ReadOptions): Promise<Descriptor>;
  manifest(descriptor: Descriptor, options?: ReadOptions): Promise<Manifest>;
  referrers(subject: Digest, options?: ReferrerOptions): Promise<readonly Descriptor[]>;
  tags(options?: ReadOptions): AsyncIterable<string>;
  /** No I/O until the first read. Not cached: each read is a request (or a file read). */
  blob(descriptor: Descriptor): StreamingSource;
  /** The local file that holds a blob as it is, where there is one (a layout directory). */
  blobPath?(descriptor: Descriptor): string;
  close(): Promise<void>;
}

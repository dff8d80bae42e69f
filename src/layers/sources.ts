import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf, type Digest } from "../bytes/digest.ts";
import { descriptorXattrs, type Xattr } from "./xattrs.ts";

/** Files whose content the running mount writes. */
export type LiveName = "stats.json" | "errors";

/**
 * What the bytes of a file come from: the numbers in the `source` column of a table are places in a list of these. Two
 * sources may be of one digest, since names and annotations are the layer's: what they share is the content.
 */
export type SourceInfo =
  | { readonly kind: "blob"; readonly descriptor: Descriptor }
  /** Bytes that are already here and proven; `descriptor` where they are a blob of the artifact. */
  | { readonly kind: "inline"; readonly bytes: Uint8Array; readonly descriptor?: Descriptor }
  | { readonly kind: "live"; readonly name: LiveName };

/** The source of a blob. No request is due for one that carries its content, or whose digest tells it. */
export function blobSource(descriptor: Descriptor): SourceInfo {
  const bytes = descriptor.data ?? knownContent(descriptor);
  return bytes === undefined ? { kind: "blob", descriptor } : { kind: "inline", bytes, descriptor };
}

/** The empty configuration of OCI 1.1 (manifest.md, "Guidance for an Empty Descriptor") and the empty blob. */
function knownContent(descriptor: Descriptor): Uint8Array | undefined {
  if (descriptor.size === 0 && descriptor.digest === EMPTY) return new Uint8Array(0);
  return descriptor.size === 2 && descriptor.digest === EMPTY_OBJECT ? new TextEncoder().encode("{}") : undefined;
}

const EMPTY: Digest = digestOf(new Uint8Array(0));
const EMPTY_OBJECT: Digest = digestOf(new TextEncoder().encode("{}"));

/** Bytes of a file of this source at offset 0; a live one's are not known here. */
export function sourceSize(source: SourceInfo): number {
  if (source.kind === "blob") return source.descriptor.size;
  return source.kind === "inline" ? source.bytes.length : 0;
}

export function sourceXattrs(source: SourceInfo): readonly Xattr[] {
  if (source.kind === "live" || source.descriptor === undefined) return [];
  return descriptorXattrs(source.descriptor);
}

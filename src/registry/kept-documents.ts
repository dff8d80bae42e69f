import type { Digest } from "../bytes/digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Manifest } from "../oci/manifest.ts";
import { manifestKind } from "../oci/media-type.ts";

/** Manifests of one artifact: an index, an entry, a few attachments. */
const MAX_DOCUMENTS = 16;
/** One document of the largest size that is read, or all small ones. */
const MAX_BYTES = 32 * 1024 * 1024;

/** Verified manifests by digest, the latest used kept: resolving a tag and reading its manifest is one request, parsed once. */
export class KeptDocuments {
  readonly #documents = new Map<Digest, Manifest>();
  #bytes = 0;

  /** Undefined, too, when the descriptor announces another kind of document than was read: that is for the parser to refuse. */
  get(descriptor: Descriptor): Manifest | undefined {
    const { digest } = descriptor;
    const manifest = this.#documents.get(digest);
    if (manifest === undefined || manifest.bytes.length !== descriptor.size) return undefined;
    if ((manifestKind(descriptor.mediaType) ?? manifest.kind) !== manifest.kind) return undefined;
    this.#documents.delete(digest);
    this.#documents.set(digest, manifest);
    return { ...manifest, descriptor };
  }

  keep(digest: Digest, manifest: Manifest): void {
    this.#bytes += manifest.bytes.length - (this.#documents.get(digest)?.bytes.length ?? 0);
    this.#documents.delete(digest);
    this.#documents.set(digest, manifest);
    for (const [oldest, old] of this.#documents) {
      if (this.#documents.size <= MAX_DOCUMENTS && this.#bytes <= MAX_BYTES) return;
      this.#documents.delete(oldest);
      this.#bytes -= old.bytes.length;
    }
  }
}

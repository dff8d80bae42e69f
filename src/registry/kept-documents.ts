import type { Digest } from "../bytes/digest.ts";

/** Manifests of one artifact: an index, an entry, a few attachments. */
const MAX_DOCUMENTS = 16;
/** One document of the largest size that is read, or all small ones. */
const MAX_BYTES = 32 * 1024 * 1024;

/** Verified documents by digest, the latest used kept, so that resolving a tag and reading its manifest is one request. */
export class KeptDocuments {
  readonly #documents = new Map<Digest, Uint8Array>();
  #bytes = 0;

  get(digest: Digest): Uint8Array | undefined {
    const bytes = this.#documents.get(digest);
    if (bytes !== undefined) {
      this.#documents.delete(digest);
      this.#documents.set(digest, bytes);
    }
    return bytes;
  }

  keep(digest: Digest, bytes: Uint8Array): void {
    this.#bytes += bytes.length - (this.#documents.get(digest)?.length ?? 0);
    this.#documents.delete(digest);
    this.#documents.set(digest, bytes);
    for (const [oldest, old] of this.#documents) {
      if (this.#documents.size <= MAX_DOCUMENTS && this.#bytes <= MAX_BYTES) return;
      this.#documents.delete(oldest);
      this.#bytes -= old.length;
    }
  }
}

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createHasher, digestAlgorithm, isDigest, type Digest } from "../bytes/digest.ts";
import type { Cache } from "./cache.ts";
import { trustedRoot } from "./directory-status.ts";
import { openCache } from "./open-cache.ts";
import { checkStored, storedContents, type StoredContent } from "./stored-contents.ts";

/**
 * - `proven`: the content is whole and has its digest, which is noted: later mounts need not check it
 * - `consistent`: its bytes have the checksums with which they were written, and no digest can say more (it is not whole)
 * - `removed`: bytes of it were not those that were written, or not those of its digest; what was wrong is gone
 */
export type Verdict = "proven" | "consistent" | "removed";

export interface VerifyOptions {
  readonly limitBytes: number;
  readonly signal?: AbortSignal;
  /** Bytes read, for progress. */
  readonly onBytes?: (bytes: number) => void;
  readonly onVerdict: (content: StoredContent, verdict: Verdict) => void | Promise<void>;
}

/** Reads and checks all that a cache directory holds. Mounts that use it go on: what is removed is a miss for them. */
export async function verifyCacheDirectory(directory: string, options: VerifyOptions): Promise<void> {
  const root = trustedRoot(directory);
  if (root === undefined) return;
  const cache = await openCache({ directory, limitBytes: options.limitBytes });
  try {
    for (const content of await storedContents(directory)) {
      options.signal?.throwIfAborted();
      const { sound } = await checkStored(content, { ...options, root });
      await options.onVerdict(content, sound ? await proof(cache, content, options.signal) : "removed");
    }
  } finally {
    await cache.close();
  }
}

async function proof(cache: Cache, content: StoredContent, signal: AbortSignal | undefined): Promise<Verdict> {
  const { id, size } = content;
  if (!isDigest(id) || content.heldBytes < size) return "consistent";
  const entry = cache.open(id, size);
  try {
    // What was proven once is taken at its word by the cache, but not here.
    const again = content.proof === "full" && (await hashUnits(content.units, id, signal)) !== id;
    if (again) entry.discard();
    const found = again ? "mismatch" : await entry.verify(id, signal);
    return found === "full" ? "proven" : found === "mismatch" ? "removed" : "consistent";
  } finally {
    entry.close();
  }
}

/** The digest of the units' bytes, one unit after the other. */
async function hashUnits(units: readonly string[], id: Digest, signal: AbortSignal | undefined): Promise<Digest> {
  const hasher = createHasher(digestAlgorithm(id));
  for (const unit of [...units].sort()) {
    const stream = createReadStream(join(unit, "data"), { highWaterMark: 1024 * 1024, ...(signal && { signal }) });
    for await (const bytes of stream) hasher.update(bytes as Buffer);
  }
  return hasher.digest();
}

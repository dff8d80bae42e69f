import { createHash } from "node:crypto";
import { RiffleError } from "../errors.ts";

/** `sha256:` or `sha512:` and lower-case hex (OCI image specification, descriptor.md, "Digests"). */
export type Digest = `${"sha256" | "sha512"}:${string}`;

const FORMS: ReadonlyMap<string, RegExp> = new Map([
  ["sha256", /^[0-9a-f]{64}$/],
  ["sha512", /^[0-9a-f]{128}$/],
]);

export function isDigest(text: string): text is Digest {
  const [algorithm = "", hex = "", ...rest] = text.split(":");
  return rest.length === 0 && FORMS.get(algorithm)?.test(hex) === true;
}

/** Throws `malformed`. `what` says whose digest it is, for the message. */
export function parseDigest(text: unknown, what = "digest"): Digest {
  if (typeof text === "string" && isDigest(text)) return text;
  const shown = typeof text === "string" ? `"${text.slice(0, 80)}"` : typeof text;
  throw new RiffleError("malformed", `${what} is not a sha256 or sha512 digest: ${shown}`);
}

export interface Hasher {
  update(bytes: Uint8Array): void;
  /** The digest of all bytes so far; the hasher may not be used after it. */
  digest(): Digest;
}

export function createHasher(algorithm: "sha256" | "sha512" = "sha256"): Hasher {
  const hash = createHash(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => `${algorithm}:${hash.digest("hex")}`,
  };
}

export function digestAlgorithm(digest: Digest): "sha256" | "sha512" {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

export function digestOf(bytes: Uint8Array, algorithm: "sha256" | "sha512" = "sha256"): Digest {
  const hasher = createHasher(algorithm);
  hasher.update(bytes);
  return hasher.digest();
}

/** Throws `verification` naming both digests when `bytes` are not what `digest` names. */
export function verifyDigest(bytes: Uint8Array, digest: Digest, what: string): void {
  const actual = digestOf(bytes, digestAlgorithm(digest));
  if (actual !== digest) {
    throw new RiffleError("verification", `${what} does not have its digest: expected ${digest}, got ${actual}`, {
      facts: { expected: digest, actual },
    });
  }
}

import { digestHex, digestOf, isDigest, verifyDigest, type Digest } from "../bytes/digest.ts";
import type { StreamingSource } from "../bytes/source.ts";
import type { Documents } from "../cache/documents.ts";
import { RiffleError } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Manifest } from "../oci/manifest.ts";
import { parseManifest } from "../oci/parse-manifest.ts";
import { parseJsonObject } from "../oci/parse-json.ts";
import type { Reference, RegistryReference } from "../oci/reference.ts";
import { dataSource, deferredSource } from "./deferred-source.ts";
import type { Registry } from "./registry.ts";

/** The same registry; what it says of tags and manifests is kept for `offlineRegistry`. */
export function rememberingRegistry(registry: Registry, documents: Documents): Registry {
  const keep = (manifest: Manifest): Manifest => {
    documents.put(manifestName(manifest.descriptor.digest), manifest.bytes);
    return manifest;
  };
  return {
    resolve: async (reference, options) => {
      const found = await registry.resolve(reference, options);
      if (reference.kind === "registry") {
        const { mediaType, digest, size } = found;
        documents.put(tagName(reference), new TextEncoder().encode(JSON.stringify({ mediaType, digest, size })));
      }
      return found;
    },
    manifest: async (descriptor, options) => keep(await registry.manifest(descriptor, options)),
    referrers: (subject, options) => registry.referrers(subject, options),
    tags: (options) => registry.tags(options),
    blob: (descriptor) => registry.blob(descriptor),
    ...(registry.blobPath === undefined ? {} : { blobPath: (descriptor) => registry.blobPath?.(descriptor) ?? "" }),
    close: () => registry.close(),
  };
}

/**
 * What was remembered, and no request: a tag is what it was when it was last asked for; manifests are checked by their digest;
 * bytes of blobs are not had here (what the cache holds of them is), and everything that is missing fails at once with
 * `unreachable`.
 */
export function offlineRegistry(name: RegistryReference, documents: Documents | undefined): Registry {
  const missing = (what: string): RiffleError =>
    new RiffleError("unreachable", `offline, and ${what}`, {
      hint: "read or riffle prefetch it once without --offline",
      facts: { host: name.host, offline: true },
    });
  const resolve = async (reference: Reference): Promise<Descriptor> => {
    const remembered = reference.kind === "registry" ? documents?.get(tagName(reference)) : undefined;
    const found = remembered === undefined ? undefined : parseRemembered(remembered);
    if (found !== undefined) return found;
    const { digest } = reference;
    const bytes = digest === undefined ? undefined : documents?.get(manifestName(digest));
    if (digest !== undefined && bytes !== undefined) {
      const whole = { mediaType: "", digest, size: bytes.length, annotations: {} };
      return { ...whole, mediaType: parseManifest(bytes, whole).mediaType };
    }
    throw missing(`${name.host}/${name.repository}${versionOf(name)} was never opened with this cache`);
  };
  return {
    resolve,
    manifest: async (descriptor) => {
      const bytes = descriptor.data ?? documents?.get(manifestName(descriptor.digest));
      if (bytes === undefined) throw missing(`the manifest ${descriptor.digest} is not in the cache`);
      verifyDigest(bytes, descriptor.digest, `the manifest of ${name.host}/${name.repository}`);
      return parseManifest(bytes, descriptor);
    },
    referrers: () => Promise.reject(missing("what refers to an artifact is not remembered")),
    tags: () => {
      throw missing("the tags of a repository are not remembered");
    },
    blob: ({ data, digest, size }): StreamingSource =>
      data === undefined
        ? deferredSource({ id: digest, size }, () =>
            Promise.reject(missing(`these bytes are not in the cache: ${digest}`)),
          )
        : dataSource(digest, data),
    close: () => Promise.resolve(),
  };
}

function versionOf({ tag, digest }: RegistryReference): string {
  return digest === undefined ? `:${tag ?? "latest"}` : `@${digest}`;
}

function manifestName(digest: Digest): string {
  return `manifest-${digest.replace(":", "-")}`;
}

/** Host, repository and version may hold what a file name must not. */
function tagName(reference: RegistryReference): string {
  const text = `${reference.host}/${reference.repository}${versionOf(reference)}`;
  return `tag-${digestHex(digestOf(new TextEncoder().encode(text)))}`;
}

function parseRemembered(bytes: Uint8Array): Descriptor | undefined {
  try {
    const { mediaType, digest, size } = parseJsonObject(bytes, "a remembered tag");
    if (typeof mediaType !== "string" || typeof digest !== "string" || !isDigest(digest)) return undefined;
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
    return { mediaType, digest, size, annotations: {} };
  } catch {
    return undefined;
  }
}

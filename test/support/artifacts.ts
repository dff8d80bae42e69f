import { createHash } from "node:crypto";
import type { Digest } from "../../src/bytes/digest.ts";
import { contentDigest, contentSize, streamContent, type Content } from "./content.ts";
import type { RegistryHandle } from "./registry/server.ts";

export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
export const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";
const EMPTY_DIGEST: Digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

export interface ArtifactFile {
  /** `org.opencontainers.image.title`; a layer without one is nameless. */
  readonly title?: string;
  readonly content: Content;
  /** `application/octet-stream` when absent. */
  readonly mediaType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ArtifactSpec {
  readonly files: readonly ArtifactFile[];
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly config?: { readonly mediaType: string; readonly content: Content };
  /** Makes the artifact a referrer of this manifest. */
  readonly subject?: BlobDescriptor;
}

export interface BlobDescriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
}

/** An artifact that is ready to be stored anywhere: its manifest, and what its blobs consist of. */
export interface BuiltArtifact {
  readonly manifest: Uint8Array;
  readonly descriptor: BlobDescriptor;
  readonly layers: readonly BlobDescriptor[];
  readonly blobs: ReadonlyMap<Digest, Content>;
}

export async function buildArtifact(spec: ArtifactSpec): Promise<BuiltArtifact> {
  const blobs = new Map<Digest, Content>();
  const layers: BlobDescriptor[] = [];
  for (const file of spec.files) {
    const digest = await contentDigest(file.content);
    blobs.set(digest, file.content);
    const annotations = {
      ...(file.title === undefined ? {} : { "org.opencontainers.image.title": file.title }),
      ...file.annotations,
    };
    layers.push({
      mediaType: file.mediaType ?? "application/octet-stream",
      digest,
      size: contentSize(file.content),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    });
  }
  const config = spec.config?.content ?? { kind: "bytes", bytes: Buffer.from("{}") };
  const configDigest = spec.config === undefined ? EMPTY_DIGEST : await contentDigest(config);
  blobs.set(configDigest, config);
  const artifactType = spec.artifactType ?? (spec.config === undefined ? "application/vnd.riffle.test" : undefined);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      ...(artifactType === undefined ? {} : { artifactType }),
      config: { mediaType: spec.config?.mediaType ?? EMPTY_TYPE, digest: configDigest, size: contentSize(config) },
      layers,
      ...(spec.subject === undefined ? {} : { subject: spec.subject }),
      ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    }),
  );
  return { manifest, descriptor: describe(manifest, MANIFEST_TYPE, artifactType), layers, blobs };
}

export function describe(bytes: Uint8Array, mediaType: string, artifactType?: string): BlobDescriptor {
  return {
    mediaType,
    digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
    size: bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

/** An index over manifests that were built before, one entry for each. */
export function buildIndex(
  entries: readonly (BlobDescriptor & {
    readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
  })[],
): { readonly bytes: Uint8Array; readonly descriptor: BlobDescriptor } {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: entries }));
  return { bytes, descriptor: describe(bytes, INDEX_TYPE) };
}

/** Puts a built artifact into an embedded registry without an upload. Returns `host/repository:tag`. */
export async function seedArtifact(
  registry: RegistryHandle,
  place: { readonly repository: string; readonly tag: string },
  artifact: BuiltArtifact,
): Promise<string> {
  await Promise.all([...artifact.blobs].map(([digest, content]) => registry.addBlob(digest, content)));
  await registry.addManifest(place.repository, {
    mediaType: artifact.descriptor.mediaType,
    bytes: artifact.manifest,
    tag: place.tag,
  });
  return `${registry.host}/${place.repository}:${place.tag}`;
}

/** `buildArtifact` and `seedArtifact` in one; what most tests want. */
export async function putArtifact(
  registry: RegistryHandle,
  place: { readonly repository: string; readonly tag: string },
  spec: ArtifactSpec,
): Promise<BuiltArtifact & { readonly reference: string }> {
  const artifact = await buildArtifact(spec);
  return { ...artifact, reference: await seedArtifact(registry, place, artifact) };
}

/** Pushes to any registry over HTTP, as a client would; `headers` may carry credentials. */
export async function pushArtifact(
  url: string,
  artifact: BuiltArtifact,
  place: { readonly repository: string; readonly tag: string; readonly headers?: Readonly<Record<string, string>> },
): Promise<void> {
  const base = `${url}/v2/${place.repository}`;
  const send = async (
    address: string,
    init: Omit<RequestInit, "headers"> & {
      readonly duplex?: "half";
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<Response> => {
    const response = await fetch(address, { ...init, headers: { ...place.headers, ...init.headers } });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${init.method} ${address}: ${response.status}`);
    return response;
  };
  for (const [digest, content] of artifact.blobs) {
    const opened = await send(`${base}/blobs/uploads/`, { method: "POST" });
    const location = new URL(opened.headers.get("location") ?? "", url);
    location.searchParams.set("digest", digest);
    await send(location.href, {
      method: "PUT",
      headers: { "Content-Type": "application/octet-stream", "Content-Length": String(contentSize(content)) },
      body: ReadableStream.from(streamContent(content, { start: 0, end: contentSize(content) })),
      duplex: "half",
    });
  }
  await send(`${base}/manifests/${place.tag}`, {
    method: "PUT",
    headers: { "Content-Type": artifact.descriptor.mediaType },
    body: Buffer.from(artifact.manifest),
  });
}

// ---- shapes that several suites need

/** `count` files of `bytes` noise each, `file-00.bin` and so on; seeds from `seed` upwards. */
export function manyFiles(count: number, bytes: number, options: { readonly seed?: number } = {}): ArtifactSpec {
  const digits = String(count - 1).length;
  return {
    files: Array.from({ length: count }, (_, i) => ({
      title: `file-${String(i).padStart(digits, "0")}.bin`,
      content: { kind: "noise", seed: (options.seed ?? 1000) + i, size: bytes },
    })),
  };
}

/** `count` files of about 1,000 bytes in folders of 100; 20,000 of them make a manifest of about 5 MB. */
export function treeOfFiles(count: number): ArtifactSpec {
  return {
    files: Array.from({ length: count }, (_, i) => {
      const folder = String(Math.floor(i / 100)).padStart(4, "0");
      const text = `row ${i}\n`.padEnd(990 + (i % 20), "riffle ").concat("\n");
      return {
        title: `part-${folder}/item-${String(i).padStart(6, "0")}.txt`,
        content: { kind: "bytes", bytes: Buffer.from(text) },
        mediaType: "text/plain",
      };
    }),
  };
}

/** One file of `size` bytes that is made up as it is read: 10 GB cost no disk, and their digest is worked out once. */
export function hugeFile(
  size: number,
  options: { readonly seed?: number; readonly title?: string } = {},
): ArtifactSpec {
  return { files: [{ title: options.title ?? "huge.bin", content: { kind: "noise", seed: options.seed ?? 7, size } }] };
}

const digestOfA: Digest = `sha256:${"a".repeat(64)}`;

function manifestWith(members: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: "application/vnd.riffle.test",
    config: { mediaType: EMPTY_TYPE, digest: EMPTY_DIGEST, size: 2, data: "e30=" },
    layers: [],
    ...members,
  });
}

/** Manifests that no client may crash on, hang on or believe, by what is wrong with them. */
export const BAD_MANIFESTS: Readonly<Record<string, string>> = {
  empty: "",
  "not json": "<html>503 Service Unavailable</html>",
  "json null": "null",
  "json array": "[]",
  truncated: manifestWith({ layers: [{ mediaType: "a/b", digest: digestOfA, size: 1 }] }).slice(0, -20),
  "layers not an array": manifestWith({ layers: { 0: "x" } }),
  "layer null": manifestWith({ layers: [null] }),
  "layer without a digest": manifestWith({ layers: [{ mediaType: "a/b", size: 1 }] }),
  "digest of a wrong length": manifestWith({ layers: [{ mediaType: "a/b", digest: "sha256:abc", size: 1 }] }),
  "digest that climbs": manifestWith({ layers: [{ mediaType: "a/b", digest: "sha256:../../../etc/passwd", size: 1 }] }),
  "unknown algorithm": manifestWith({ layers: [{ mediaType: "a/b", digest: `md5:${"a".repeat(32)}`, size: 1 }] }),
  "negative size": manifestWith({ layers: [{ mediaType: "a/b", digest: digestOfA, size: -1 }] }),
  "fractional size": manifestWith({ layers: [{ mediaType: "a/b", digest: digestOfA, size: 1.5 }] }),
  "size beyond safe integers": manifestWith({}).replace(
    '"layers":[]',
    `"layers":[{"mediaType":"a/b","digest":"${digestOfA}","size":9007199254740993}]`,
  ),
  "size as text": manifestWith({ layers: [{ mediaType: "a/b", digest: digestOfA, size: "12" }] }),
  "annotation not text": manifestWith({
    layers: [{ mediaType: "a/b", digest: digestOfA, size: 1, annotations: { "org.opencontainers.image.title": 5 } }],
  }),
  "wrong schema version": manifestWith({ schemaVersion: 1 }),
  "deep nesting": `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
};

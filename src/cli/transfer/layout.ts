import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestAlgorithm, digestHex, type Digest } from "../../bytes/digest.ts";
import { makeFolders } from "../../cache/make-folders.ts";
import { RiffleError } from "../../errors.ts";
import type { Manifest } from "../../oci/manifest.ts";

/** OCI image-spec v1.1, image-layout.md. */
const LAYOUT_FILE = { imageLayoutVersion: "1.0.0" };
const REF_NAME = "org.opencontainers.image.ref.name";
const MOST_INDEX_BYTES = 16 * 1024 * 1024;

export function blobPathIn(directory: string, digest: Digest): string {
  return join(directory, "blobs", digestAlgorithm(digest), digestHex(digest));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whole or not at all: nobody reads half of a file that another process writes. */
function writeWhole(path: string, content: string | Uint8Array): void {
  const draft = `${path}.${process.pid}.part`;
  writeFileSync(draft, content);
  renameSync(draft, path);
}

interface IndexFile {
  readonly manifests: readonly unknown[];
  readonly rest: Readonly<Record<string, unknown>>;
}

function readIndex(path: string): IndexFile {
  if (!existsSync(path)) return { manifests: [], rest: {} };
  const text = readFileSync(path, "utf8");
  let document: unknown;
  try {
    document = text.length > MOST_INDEX_BYTES ? undefined : JSON.parse(text);
  } catch {
    document = undefined;
  }
  if (!isRecord(document) || !Array.isArray(document["manifests"])) {
    throw new RiffleError("malformed", `${path} is not the index of an image layout`, {
      hint: "choose an empty directory",
    });
  }
  const { manifests, ...rest } = document;
  return { manifests: manifests as readonly unknown[], rest };
}

/** Throws `malformed` when the directory holds an index that is none; before anything is fetched. */
export function prepareLayout(directory: string, algorithms: ReadonlySet<string>): void {
  makeFolders(directory);
  readIndex(join(directory, "index.json"));
  for (const algorithm of algorithms) makeFolders(join(directory, "blobs", algorithm));
}

/** Documents whose bytes are at hand and were checked when they came. */
export function writeManifest(directory: string, { descriptor, bytes }: Manifest): void {
  const path = blobPathIn(directory, descriptor.digest);
  if (!existsSync(path)) writeWhole(path, bytes);
}

/** The last step of a pull: now the layout names the artifact. A name that it had before moves, as a tag does. */
export function nameInLayout(directory: string, { descriptor, artifactType }: Manifest, tag: string | undefined): void {
  const path = join(directory, "index.json");
  const { manifests, rest } = readIndex(path);
  const nameOf = (entry: unknown): unknown =>
    isRecord(entry) && isRecord(entry["annotations"]) ? entry["annotations"][REF_NAME] : undefined;
  const same = (entry: unknown): boolean => isRecord(entry) && entry["digest"] === descriptor.digest;
  const others = manifests.filter((entry) =>
    tag === undefined ? !(same(entry) && nameOf(entry) === undefined) : nameOf(entry) !== tag,
  );
  const entry = {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    ...(artifactType !== undefined && { artifactType }),
    ...(tag !== undefined && { annotations: { [REF_NAME]: tag } }),
  };
  const mediaType = "application/vnd.oci.image.index.v1+json";
  writeWhole(join(directory, "oci-layout"), JSON.stringify(LAYOUT_FILE));
  writeWhole(path, JSON.stringify({ schemaVersion: 2, mediaType, ...rest, manifests: [...others, entry] }, null, 2));
}

import { createHash, randomUUID, type Hash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Content } from "../content.ts";

export interface StoredManifest {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** A blob on its way in. */
export interface Upload {
  readonly size: () => number;
  append(bytes: Uint8Array): void;
  /** Keeps it under `digest`; false (and the upload is gone) when the bytes are not those. */
  finish(digest: string): boolean;
  discard(): void;
}

/** Blobs are shared by all repositories; manifests and tags belong to one. */
export interface RegistryStore {
  blob(digest: string): Content | undefined;
  addBlob(digest: string, content: Content): void;
  upload(): Upload;
  manifest(
    repository: string,
    name: string,
  ): { readonly digest: string; readonly manifest: StoredManifest } | undefined;
  /** `tag` also moves that tag. No check but the bytes' digest, which is returned: tests want bad manifests too. */
  addManifest(
    repository: string,
    manifest: StoredManifest,
    options?: { readonly tag?: string; readonly digest?: string },
  ): string;
  tags(repository: string): readonly string[] | undefined;
  manifests(repository: string): ReadonlyMap<string, StoredManifest>;
}

interface Repository {
  readonly tags: Map<string, string>;
  readonly manifests: Map<string, StoredManifest>;
}

/** What `repositories.json` of a directory holds: names only; the bytes are blobs. */
interface SavedRepository {
  readonly tags: Record<string, string>;
  readonly manifests: Record<string, string>;
}

export function createStore(directory?: string): RegistryStore {
  const blobs = new Map<string, Content>();
  const repositories = directory === undefined ? new Map<string, Repository>() : load(directory);
  const pathOf = (digest: string): string | undefined =>
    directory === undefined ? undefined : join(directory, "blobs", ...digest.split(":"));

  const open = (name: string): Repository => {
    const known = repositories.get(name) ?? { tags: new Map(), manifests: new Map() };
    repositories.set(name, known);
    return known;
  };
  const blob = (digest: string): Content | undefined => {
    const path = pathOf(digest);
    return blobs.get(digest) ?? (path !== undefined && existsSync(path) ? { kind: "file", path } : undefined);
  };
  const addBytes = (digest: string, bytes: Uint8Array): void => {
    const path = pathOf(digest);
    if (path === undefined) blobs.set(digest, { kind: "bytes", bytes });
    else writeFileSync(path, bytes);
  };

  return {
    blob,
    addBlob: (digest, content) => void blobs.set(digest, content),
    upload: () => (directory === undefined ? memoryUpload(blobs) : fileUpload(directory, pathOf)),
    manifest(repository, name) {
      const known = repositories.get(repository);
      const digest = name.includes(":") ? name : known?.tags.get(name);
      const manifest = digest === undefined ? undefined : known?.manifests.get(digest);
      return digest === undefined || manifest === undefined ? undefined : { digest, manifest };
    },
    addManifest(repository, manifest, options = {}) {
      const algorithm = options.digest?.startsWith("sha512:") ? "sha512" : "sha256";
      const digest = `${algorithm}:${createHash(algorithm).update(manifest.bytes).digest("hex")}`;
      const known = open(repository);
      known.manifests.set(digest, manifest);
      addBytes(digest, manifest.bytes);
      if (options.tag !== undefined) known.tags.set(options.tag, digest);
      if (directory !== undefined) save(directory, repositories);
      return digest;
    },
    tags(repository) {
      const known = repositories.get(repository);
      return known === undefined ? undefined : [...known.tags.keys()].sort();
    },
    manifests: (repository) => repositories.get(repository)?.manifests ?? new Map<string, StoredManifest>(),
  };
}

function load(directory: string): Map<string, Repository> {
  for (const algorithm of ["sha256", "sha512"]) mkdirSync(join(directory, "blobs", algorithm), { recursive: true });
  mkdirSync(join(directory, "uploads"), { recursive: true });
  const file = join(directory, "repositories.json");
  if (!existsSync(file)) return new Map();
  // our own file, written by `save`
  const saved = JSON.parse(readFileSync(file, "utf8")) as Record<string, SavedRepository>;
  return new Map(
    Object.entries(saved).map(([name, { tags, manifests }]) => [
      name,
      {
        tags: new Map(Object.entries(tags)),
        manifests: new Map(
          Object.entries(manifests).map(([digest, mediaType]) => [
            digest,
            { mediaType, bytes: readFileSync(join(directory, "blobs", ...digest.split(":"))) },
          ]),
        ),
      },
    ]),
  );
}

function save(directory: string, repositories: ReadonlyMap<string, Repository>): void {
  const saved = Object.fromEntries(
    [...repositories].map(([name, { tags, manifests }]) => [
      name,
      {
        tags: Object.fromEntries(tags),
        manifests: Object.fromEntries([...manifests].map(([digest, { mediaType }]) => [digest, mediaType])),
      },
    ]),
  );
  const file = join(directory, "repositories.json");
  writeFileSync(`${file}.new`, JSON.stringify(saved));
  renameSync(`${file}.new`, file);
}

/** Both algorithms run along, since the digest is named only at the end. */
function hashes(): { readonly update: (bytes: Uint8Array) => void; readonly matches: (digest: string) => boolean } {
  const running: Record<string, Hash> = { sha256: createHash("sha256"), sha512: createHash("sha512") };
  return {
    update: (bytes) => Object.values(running).forEach((hash) => hash.update(bytes)),
    matches: (digest) => {
      const [algorithm = "", hex] = digest.split(":");
      return running[algorithm]?.digest("hex") === hex;
    },
  };
}

function memoryUpload(blobs: Map<string, Content>): Upload {
  const pieces: Uint8Array[] = [];
  const hash = hashes();
  let size = 0;
  return {
    size: () => size,
    append(bytes) {
      pieces.push(bytes.slice());
      hash.update(bytes);
      size += bytes.length;
    },
    finish(digest) {
      if (!hash.matches(digest)) return false;
      blobs.set(digest, { kind: "bytes", bytes: Buffer.concat(pieces) });
      return true;
    },
    discard: () => void pieces.splice(0),
  };
}

function fileUpload(directory: string, pathOf: (digest: string) => string | undefined): Upload {
  const draft = join(directory, "uploads", randomUUID());
  writeFileSync(draft, "");
  const hash = hashes();
  let size = 0;
  return {
    size: () => size,
    append(bytes) {
      appendFileSync(draft, bytes);
      hash.update(bytes);
      size += bytes.length;
    },
    finish(digest) {
      const path = pathOf(digest);
      if (path === undefined || !hash.matches(digest)) {
        rmSync(draft, { force: true });
        return false;
      }
      renameSync(draft, path);
      return true;
    },
    discard: () => rmSync(draft, { force: true }),
  };
}

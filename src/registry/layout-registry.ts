import { realpathSync, statSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { digestOf, verifyDigest, type Digest } from "../bytes/digest.ts";
import type { ReadOptions, StreamingSource } from "../bytes/source.ts";
import { isRiffleError, RiffleError } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { IndexManifest, Manifest } from "../oci/manifest.ts";
import { manifestKind, OCI_INDEX } from "../oci/media-type.ts";
import { MAX_DOCUMENT_BYTES, parseJsonObject } from "../oci/parse-json.ts";
import { parseManifest } from "../oci/parse-manifest.ts";
import type { LayoutReference, Reference } from "../oci/reference.ts";
import { dataSource } from "./deferred-source.ts";
import { checkBlobSize, checkInside, layoutBlob, layoutBlobPath, missingBlob } from "./layout-blob.ts";
import { chosenReferrers } from "./referrers.ts";
import type { ReferrerOptions, Registry } from "./registry.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
/** A hint names this many tags. */
const SHOWN_TAGS = 10;

/** An OCI image layout directory (image-spec v1.1 image-layout.md) as a repository. Nothing is kept between calls. */
export class LayoutRegistry implements Registry {
  readonly #directory: string;

  constructor(reference: LayoutReference) {
    this.#directory = reference.directory;
  }

  async resolve(reference: Reference, options: ReadOptions = {}): Promise<Descriptor> {
    options.signal?.throwIfAborted();
    const { manifests } = await this.#index();
    if (reference.digest !== undefined) {
      return manifests.find((entry) => entry.digest === reference.digest) ?? this.#byDigest(reference.digest);
    }
    const tag = reference.tag ?? "latest";
    const named = manifests.find((entry) => entry.annotations[REF_NAME] === tag);
    if (named !== undefined) return named;
    // skopeo writes `oci:DIR` without a name: the only entry there is.
    const [only, ...others] = manifests;
    if (tag === "latest" && only !== undefined && others.length === 0 && only.annotations[REF_NAME] === undefined)
      return only;
    const tags = manifests.flatMap((entry) => entry.annotations[REF_NAME] ?? []).slice(0, SHOWN_TAGS);
    throw new RiffleError("not-found", `the layout ${this.#directory} has no tag ${tag}`, {
      hint: tags.length === 0 ? "name it by its digest" : `there are ${tags.join(", ").slice(0, 400)}`,
    });
  }

  async manifest(descriptor: Descriptor, options: ReadOptions = {}): Promise<Manifest> {
    const { digest, size, data } = descriptor;
    if (size > MAX_DOCUMENT_BYTES)
      throw new RiffleError("malformed", `the manifest ${digest} has ${size} bytes, more than are read`);
    const bytes = data ?? (await layoutBlob(this.#directory, { digest, size }).read({ start: 0, end: size }, options));
    verifyDigest(bytes, digest, `the manifest ${digest} of the layout ${this.#directory}`);
    return parseManifest(bytes, descriptor);
  }

  /** The manifests of the layout's index whose subject this is; what cannot be read is passed over. */
  async referrers(subject: Digest, options: ReferrerOptions = {}): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = [];
    for (const entry of (await this.#index()).manifests) {
      if (manifestKind(entry.mediaType) === undefined) continue;
      const manifest = await this.manifest(entry, options).catch((error: unknown) => {
        if (isRiffleError(error) && (error.code === "malformed" || error.code === "not-found")) return undefined;
        throw error;
      });
      if (manifest?.subject?.digest === subject) found.push(asReferrer(entry, manifest));
    }
    return chosenReferrers(found, options.artifactType);
  }

  async *tags(options: ReadOptions = {}): AsyncIterable<string> {
    options.signal?.throwIfAborted();
    for (const entry of (await this.#index()).manifests) {
      const tag = entry.annotations[REF_NAME];
      if (tag !== undefined) yield tag;
    }
  }

  blob(descriptor: Descriptor): StreamingSource {
    const { digest, size, data } = descriptor;
    return data === undefined ? layoutBlob(this.#directory, { digest, size }) : dataSource(digest, data);
  }

  /** The file itself, links resolved. Throws `not-found`, or `verification` when it is not inside or not of its size. */
  blobPath(descriptor: Descriptor): string {
    const { digest, size } = descriptor;
    try {
      const file = realpathSync(layoutBlobPath(this.#directory, digest));
      checkInside(realpathSync(this.#directory), file, digest);
      const facts = statSync(file);
      if (!facts.isFile()) throw new RiffleError("verification", `blob ${digest} is not a file`);
      checkBlobSize(facts.size, size, digest);
      return file;
    } catch (error) {
      throw isRiffleError(error) ? error : missingBlob(this.#directory, digest, error);
    }
  }

  async close(): Promise<void> {}

  async #byDigest(digest: Digest): Promise<Descriptor> {
    const path = layoutBlobPath(this.#directory, digest);
    const size = await stat(path).then(
      (facts) => facts.size,
      (error: unknown) => {
        throw missingBlob(this.#directory, digest, error);
      },
    );
    const bare = { mediaType: "", digest, size, annotations: {} };
    const { mediaType } = await this.manifest(bare);
    return { ...bare, mediaType };
  }

  async #index(): Promise<IndexManifest> {
    const directory = this.#directory;
    const isDirectory = await stat(directory).then(
      (facts) => facts.isDirectory(),
      () => undefined,
    );
    if (isDirectory === undefined)
      throw new RiffleError("not-found", `there is no directory ${directory}`, { hint: "check the path behind oci:" });
    const what = `the layout ${directory}`;
    if (!isDirectory) throw new RiffleError("not-found", `${directory} is not a directory`);
    const marker = parseJsonObject(await this.#file("oci-layout"), `oci-layout of ${what}`);
    const version = marker["imageLayoutVersion"];
    if (typeof version !== "string" || !/^1\.\d+\.\d+$/.test(version))
      throw new RiffleError("malformed", `${what} is of a version that is not known`);
    const bytes = await this.#file("index.json");
    const digest = digestOf(bytes);
    const index = parseManifest(bytes, { mediaType: OCI_INDEX, digest, size: bytes.length, annotations: {} });
    if (index.kind !== "index") throw new RiffleError("malformed", `index.json of ${what} is not an index`);
    return index;
  }

  async #file(name: string): Promise<Uint8Array> {
    const path = join(this.#directory, name);
    try {
      const facts = await stat(path);
      if (!facts.isFile() || facts.size > MAX_DOCUMENT_BYTES)
        throw new RiffleError("malformed", `${name} of the layout ${this.#directory} is not a document`);
      const file = await open(path, "r");
      try {
        return new Uint8Array(await file.readFile());
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isRiffleError(error)) throw error;
      const hint = "a layout has the files oci-layout and index.json, and a directory blobs";
      throw new RiffleError("malformed", `${this.#directory} is not an OCI layout: no ${name}`, { hint, cause: error });
    }
  }
}

/** The descriptor as the referrers API would give it: with the manifest's type and annotations. */
function asReferrer(entry: Descriptor, manifest: Manifest): Descriptor {
  const config = manifest.kind === "manifest" ? manifest.config.mediaType : undefined;
  const artifactType = manifest.artifactType ?? config;
  return {
    mediaType: manifest.mediaType,
    digest: entry.digest,
    size: entry.size,
    annotations: manifest.annotations,
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

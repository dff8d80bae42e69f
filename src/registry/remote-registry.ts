import { isDigest, verifyDigest, digestAlgorithm, digestOf, type Digest } from "../bytes/digest.ts";
import { SingleFlight } from "../bytes/flight.ts";
import type { ReadOptions, StreamingSource } from "../bytes/source.ts";
import { isRiffleError, RiffleError } from "../errors.ts";
import { blobSource } from "../fetch/blob.ts";
import type { BlobHabits } from "../fetch/location.ts";
import type { FetchLog } from "../fetch/log.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Manifest } from "../oci/manifest.ts";
import { bareMediaType, MANIFEST_TYPES } from "../oci/media-type.ts";
import { MAX_DOCUMENT_BYTES, parseJsonObject } from "../oci/parse-json.ts";
import { parseManifest } from "../oci/parse-manifest.ts";
import type { Reference, RegistryReference } from "../oci/reference.ts";
import { dataSource, deferredSource } from "./deferred-source.ts";
import { KeptDocuments } from "./kept-documents.ts";
import { nextPage } from "./link.ts";
import { chosenReferrers, referrersByApi, referrersTag } from "./referrers.ts";
import { askRegistry, isWebPage, misbehaved, type RegistryAnswer, type RegistryHttpOptions } from "./registry-http.ts";
import type { ReferrerOptions, Registry } from "./registry.ts";

export interface RemoteRegistryOptions extends RegistryHttpOptions {
  readonly log?: FetchLog;
  readonly firstByteTimeoutMs?: number;
  readonly stallTimeoutMs?: number;
  /** Of a mirror: the registry that is meant, sent as `?ns=` with manifests and blobs. */
  readonly namespace?: string;
  /** Called by `close`. */
  readonly onClose?: () => Promise<void>;
}

const ACCEPT = MANIFEST_TYPES.join(", ");
const MAX_TAG_PAGES = 1000;

/** A repository over the distribution specification. One request opens an artifact of an anonymous registry. */
export class RemoteRegistry implements Registry {
  readonly #name: RegistryReference;
  readonly #options: RemoteRegistryOptions;
  readonly #documents = new KeptDocuments();
  readonly #flights = new SingleFlight<string, Uint8Array>();
  readonly #habits: BlobHabits = { givesRanges: undefined };
  #hasReferrersApi = true;

  constructor(name: RegistryReference, options: RemoteRegistryOptions) {
    this.#name = name;
    this.#options = options;
  }

  async resolve(reference: Reference, options: ReadOptions = {}): Promise<Descriptor> {
    const version = reference.digest ?? reference.tag ?? "latest";
    const answer = await this.#askManifest(version, options);
    const digest = reference.digest ?? this.#digestOf(answer);
    if (reference.digest !== undefined) verifyDigest(answer.bytes, digest, `the manifest of ${this.#repository}`);
    const served = bareMediaType(answer.headers["content-type"] ?? "");
    const whole = { mediaType: served, digest, size: answer.bytes.length, annotations: {} };
    // The document says better than a header what it is, and what is no manifest is refused here.
    const manifest = parseManifest(answer.bytes, whole);
    this.#documents.keep(digest, manifest);
    return { ...whole, mediaType: manifest.mediaType };
  }

  async manifest(descriptor: Descriptor, options: ReadOptions = {}): Promise<Manifest> {
    const kept = this.#documents.get(descriptor);
    if (kept !== undefined) return kept;
    const bytes = descriptor.data ?? (await this.#fetchManifest(descriptor, options));
    const manifest = parseManifest(bytes, descriptor);
    this.#documents.keep(descriptor.digest, manifest);
    return manifest;
  }

  async referrers(subject: Digest, options: ReferrerOptions = {}): Promise<readonly Descriptor[]> {
    if (this.#hasReferrersApi) {
      const found = await referrersByApi(this.#name.repository, subject, { ...this.#options, ...options });
      if (found !== undefined) return chosenReferrers(found, options.artifactType);
      this.#hasReferrersApi = false;
    }
    return chosenReferrers(await this.#referrersByTag(subject, options), options.artifactType);
  }

  async #referrersByTag(subject: Digest, options: ReadOptions): Promise<readonly Descriptor[]> {
    try {
      const { host, repository } = this.#name;
      const found = await this.resolve({ kind: "registry", host, repository, tag: referrersTag(subject) }, options);
      const index = await this.manifest(found, options);
      return index.kind === "index" ? index.manifests : [];
    } catch (error) {
      if (isRiffleError(error) && error.code === "not-found") return [];
      throw error;
    }
  }

  async *tags(options: ReadOptions = {}): AsyncIterable<string> {
    const what = `the tags of ${this.#repository}`;
    let path: string | undefined = `v2/${this.#name.repository}/tags/list?n=1000`;
    for (let page = 0; path !== undefined; page += 1) {
      const signal = options.signal === undefined ? {} : { signal: options.signal };
      const answer = await askRegistry(
        { path, kind: "other", accept: "application/json", what, limit: MAX_DOCUMENT_BYTES, ...signal },
        this.#options,
      );
      if (answer.status === 404) throw this.#notFound(answer, undefined);
      if (answer.status !== 200 || isWebPage(answer)) throw misbehaved(answer.url, `does not list ${what}`);
      const list = parseJsonObject(answer.bytes, what)["tags"] ?? [];
      if (!Array.isArray(list)) throw new RiffleError("malformed", `${what} are not a list`);
      for (const tag of list) if (typeof tag === "string") yield tag;
      if (page >= MAX_TAG_PAGES) throw misbehaved(answer.url, `lists ${what} without end`);
      path = nextPage(answer, await this.#options.endpoint.base(options.signal));
    }
  }

  blob(descriptor: Descriptor): StreamingSource {
    const { data, digest, size } = descriptor;
    if (data !== undefined) return dataSource(digest, data);
    return deferredSource({ id: digest, size }, async (signal) => {
      const base = await this.#options.endpoint.base(signal);
      const url = new URL(`v2/${this.#name.repository}/blobs/${digest}${this.#query}`, base);
      return blobSource({ ...this.#options, url, id: digest, size, habits: this.#habits });
    });
  }

  async close(): Promise<void> {
    await this.#options.onClose?.();
  }

  get #query(): string {
    const { namespace } = this.#options;
    return namespace === undefined ? "" : `?ns=${encodeURIComponent(namespace)}`;
  }

  get #repository(): string {
    return `${this.#name.host}/${this.#name.repository}`;
  }

  /** The digest of what came, which the registry's own word must not contradict. */
  #digestOf(answer: RegistryAnswer): Digest {
    const stated = answer.headers["docker-content-digest"]?.trim();
    if (stated === undefined || !isDigest(stated)) return digestOf(answer.bytes);
    const actual = digestOf(answer.bytes, digestAlgorithm(stated));
    if (actual === stated) return actual;
    throw new RiffleError(
      "verification",
      `the manifest of ${this.#repository} does not have the digest that it was served under`,
      {
        facts: { expected: stated, actual },
      },
    );
  }

  #fetchManifest(descriptor: Descriptor, options: ReadOptions): Promise<Uint8Array> {
    const { digest, size } = descriptor;
    if (size > MAX_DOCUMENT_BYTES) {
      throw new RiffleError("malformed", `the manifest ${digest} has ${size} bytes, more than are read`);
    }
    return this.#flights.run(
      digest,
      async (signal) => {
        const { bytes } = await this.#askManifest(digest, { signal });
        checkSize(bytes, descriptor);
        verifyDigest(bytes, digest, `the manifest of ${this.#repository}`);
        return bytes;
      },
      options.signal,
    );
  }

  async #askManifest(version: string, options: ReadOptions): Promise<RegistryAnswer> {
    const name = `${this.#name.repository}${isDigest(version) ? "@" : ":"}${version}`;
    const answer = await askRegistry(
      {
        path: `v2/${this.#name.repository}/manifests/${encodeURIComponent(version).replace("%3A", ":")}${this.#query}`,
        kind: "manifest",
        accept: ACCEPT,
        what: `the manifest of ${name}`,
        limit: MAX_DOCUMENT_BYTES,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      this.#options,
    );
    if (answer.status === 404) throw this.#notFound(answer, version);
    if (answer.status !== 200) throw misbehaved(answer.url, `answers ${answer.status} to the manifest of ${name}`);
    if (isWebPage(answer)) throw misbehaved(answer.url, `answers with a web page instead of the manifest of ${name}`);
    return answer;
  }

  #notFound(answer: RegistryAnswer, version: string | undefined): RiffleError {
    const facts = { host: this.#name.host, status: answer.status, repository: this.#name.repository };
    if (version === undefined || answer.errors.includes("NAME_UNKNOWN")) {
      return new RiffleError("not-found", `${this.#name.host} has no repository ${this.#name.repository}`, { facts });
    }
    const what = isDigest(version) ? `manifest ${version}` : `tag ${version}`;
    return new RiffleError("not-found", `${this.#repository} has no ${what}`, {
      facts,
      ...(isDigest(version) ? {} : { hint: "riffle takes the tag after the last colon; latest is the default" }),
    });
  }
}

function checkSize(bytes: Uint8Array, descriptor: Descriptor): void {
  if (bytes.length === descriptor.size) return;
  throw new RiffleError(
    "verification",
    `the manifest ${descriptor.digest} has ${bytes.length} bytes, not the ${descriptor.size} of its descriptor`,
    { facts: { expected: descriptor.size, actual: bytes.length } },
  );
}

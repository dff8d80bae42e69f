import { digestAlgorithm, digestHex, digestOf, type Digest } from "../bytes/digest.ts";
import { RiffleError } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { bareMediaType, OCI_INDEX } from "../oci/media-type.ts";
import { MAX_DOCUMENT_BYTES } from "../oci/parse-json.ts";
import { parseManifest } from "../oci/parse-manifest.ts";
import { nextPage } from "./link.ts";
import { askRegistry, isWebPage, misbehaved, type RegistryAnswer, type RegistryHttpOptions } from "./registry-http.ts";
import type { ReferrerOptions } from "./registry.ts";

/** More than this no reviewer reads; it bounds what a hostile registry can make us ask. */
const MAX_PAGES = 100;
const MAX_REFERRERS = 20_000;

/** The tag that stands in for the API (distribution specification, "Referrers Tag Schema"). */
export function referrersTag(subject: Digest): string {
  return `${digestAlgorithm(subject).slice(0, 32)}-${digestHex(subject).slice(0, 64)}`;
}

/** Both views of one repository's referrers. `api` is undefined where the registry does not have it. */
export async function referrersByApi(
  repository: string,
  subject: Digest,
  options: RegistryHttpOptions & ReferrerOptions,
): Promise<readonly Descriptor[] | undefined> {
  const filter = options.artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(options.artifactType)}`;
  const found: Descriptor[] = [];
  let path: string | undefined = `v2/${repository}/referrers/${subject}${filter}`;
  for (let page = 0; path !== undefined; page += 1) {
    const answer = await askPage(path, subject, options);
    if (answer === undefined || isUnsupported(answer)) {
      if (page === 0) return undefined;
      throw misbehaved(await options.endpoint.base(), `lost a page of the referrers of ${subject}`);
    }
    found.push(...parseReferrers(answer));
    if (page >= MAX_PAGES || found.length > MAX_REFERRERS) {
      throw misbehaved(await options.endpoint.base(), `lists more referrers of ${subject} than are read`);
    }
    path = nextPage(answer, await options.endpoint.base(options.signal));
  }
  return found;
}

/** Undefined when the registry refuses the API itself: some answer 401 or 403 for routes that they do not know. */
async function askPage(
  path: string,
  subject: Digest,
  options: RegistryHttpOptions & ReferrerOptions,
): Promise<RegistryAnswer | undefined> {
  try {
    return await askRegistry(
      {
        path,
        kind: "other",
        accept: OCI_INDEX,
        what: `the referrers of ${subject}`,
        limit: MAX_DOCUMENT_BYTES,
        // GHCR answers 303 to a page of its website.
        keepStatuses: [303],
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      options,
    );
  } catch (error) {
    const isRefusal = error instanceof RiffleError && error.code === "credentials";
    const isNotImplemented = error instanceof RiffleError && error.facts["status"] === 501;
    if (isRefusal || isNotImplemented) return undefined;
    throw error;
  }
}

function isUnsupported(answer: RegistryAnswer): boolean {
  return answer.status !== 200 || isWebPage(answer);
}

function parseReferrers(answer: RegistryAnswer): readonly Descriptor[] {
  const mediaType = bareMediaType(answer.headers["content-type"] ?? "");
  const document = parseManifest(answer.bytes, {
    mediaType,
    digest: digestOf(answer.bytes),
    size: answer.bytes.length,
    annotations: {},
  });
  if (document.kind !== "index") throw misbehaved(answer.url, "lists referrers in something that is not an index");
  return document.manifests;
}

/** Only those of the type asked for, each once: registries may ignore the filter, and pages may overlap. */
export function chosenReferrers(all: readonly Descriptor[], artifactType: string | undefined): readonly Descriptor[] {
  const byDigest = new Map(all.map((descriptor) => [descriptor.digest, descriptor]));
  const each = [...byDigest.values()];
  return artifactType === undefined ? each : each.filter((descriptor) => descriptor.artifactType === artifactType);
}

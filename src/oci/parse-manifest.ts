import { RiffleError } from "../errors.ts";
import type { Descriptor } from "./descriptor.ts";
import type { Manifest } from "./manifest.ts";
import { bareMediaType, manifestKind, OCI_INDEX, OCI_MANIFEST } from "./media-type.ts";
import { optionalString, parseAnnotations, parseDescriptor } from "./parse-descriptor.ts";
import { parseJsonObject, type JsonObject } from "./parse-json.ts";

/** How many indexes may lie inside each other: a list of lists exists in the wild, nothing deeper does. */
export const MAX_INDEX_DEPTH = 4;

const REFUSED: ReadonlyMap<string, string> = new Map([
  ["application/vnd.docker.distribution.manifest.v1+json", "a Docker schema 1 manifest"],
  ["application/vnd.docker.distribution.manifest.v1+prettyjws", "a Docker schema 1 manifest"],
  ["application/vnd.oci.artifact.manifest.v1+json", "an OCI artifact manifest, which was withdrawn before OCI 1.1"],
  ["application/vnd.cncf.oras.artifact.manifest.v1+json", "an ORAS artifact manifest, which OCI 1.1 replaced"],
]);

const ONE = { manifest: "a manifest", index: "an index" } as const;

/** Content types that say nothing about which document it is. */
const VAGUE: ReadonlySet<string> = new Set(["", "application/json", "application/octet-stream", "text/plain"]);

/**
 * OCI image manifest and index (image-spec v1.1), Docker schema 2 manifest and list. The media type is the document's
 * own, else the descriptor's. Throws `malformed` with one clause. Bytes are not checked against the digest here.
 */
export function parseManifest(bytes: Uint8Array, descriptor: Descriptor): Manifest {
  const document = parseJsonObject(bytes, "the manifest");
  const mediaType = decideType(document, descriptor.mediaType);
  const artifactType = optionalString(document, "artifactType", "the manifest");
  const subject = document["subject"] ?? undefined;
  const base = {
    bytes,
    descriptor,
    mediaType,
    annotations: parseAnnotations(document["annotations"], "the manifest"),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject: parseDescriptor(subject, "the subject of the manifest") }),
  };
  if (manifestKind(mediaType) === "index") {
    return { ...base, kind: "index", manifests: descriptors(document, "manifests", "entry") };
  }
  const config = parseDescriptor(document["config"], "the config of the manifest");
  return { ...base, kind: "manifest", config, layers: descriptors(document, "layers", "layer") };
}

function descriptors(document: JsonObject, key: string, one: string): readonly Descriptor[] {
  const list = document[key] ?? [];
  if (!Array.isArray(list)) throw new RiffleError("malformed", `the manifest has ${key} that are not a list`);
  return list.map((value: unknown, index) => parseDescriptor(value, `${one} ${index + 1} of the manifest`));
}

function decideType(document: JsonObject, served: string): string {
  const own = optionalString(document, "mediaType", "the manifest");
  const outside = VAGUE.has(bareMediaType(served)) ? undefined : served;
  const said = own ?? outside;
  const refused = said === undefined ? undefined : REFUSED.get(bareMediaType(said));
  if (refused !== undefined || document["schemaVersion"] === 1) {
    const name = refused ?? "a Docker schema 1 manifest";
    throw new RiffleError("malformed", `the manifest is ${name}`, {
      hint: "push the artifact again with a current tool",
    });
  }
  const mediaType = said ?? ("manifests" in document ? OCI_INDEX : "config" in document ? OCI_MANIFEST : undefined);
  if (mediaType === undefined) throw new RiffleError("malformed", "the manifest says nowhere what it is");
  checkKind(document, mediaType, outside);
  return bareMediaType(mediaType);
}

/** One document must not be read as a manifest by one tool and as an index by another (CVE-2021-41190). */
function checkKind(document: JsonObject, mediaType: string, outside: string | undefined): void {
  const kind = manifestKind(mediaType);
  if (kind === undefined) {
    throw new RiffleError("malformed", `the manifest is of an unknown type: ${mediaType.slice(0, 120)}`);
  }
  if (document["schemaVersion"] !== 2) throw new RiffleError("malformed", "the manifest is not of schema version 2");
  const outsideKind = outside === undefined ? kind : (manifestKind(outside) ?? kind);
  if (outsideKind !== kind) {
    throw new RiffleError(
      "malformed",
      `the manifest was announced as ${ONE[outsideKind]} and says that it is ${ONE[kind]}`,
    );
  }
  const foreign = kind === "index" ? ["config", "layers"] : ["manifests"];
  const strange = foreign.find((key) => document[key] !== undefined && document[key] !== null);
  if (strange !== undefined) {
    throw new RiffleError(
      "malformed",
      `the manifest says that it is ${ONE[kind]} and has ${strange}, which only the other kind has`,
    );
  }
  if (kind === "index" && !("manifests" in document))
    throw new RiffleError("malformed", "the manifest says that it is an index and has no manifests");
}

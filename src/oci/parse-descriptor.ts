import { parseDigest, verifyDigest, type Digest } from "../bytes/digest.ts";
import { RiffleError } from "../errors.ts";
import type { Annotations, Descriptor, Platform } from "./descriptor.ts";
import { isJsonObject, type JsonObject } from "./parse-json.ts";

const NO_ANNOTATIONS: Annotations = Object.freeze({});
/** RFC 6838 allows 127 characters on each side of the slash; parameters may follow. */
const MAX_MEDIA_TYPE_LENGTH = 1024;

function malformed(what: string, why: string): RiffleError {
  return new RiffleError("malformed", `${what} ${why}`);
}

/** Throws `malformed`; `what` names the place, such as `layer 3 of the manifest`. */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isJsonObject(value)) throw malformed(what, "is not a descriptor");
  const digest = parseDigest(value["digest"], `the digest of ${what}`);
  const size = parseSize(value["size"], what);
  const artifactType = optionalString(value, "artifactType", what);
  const platform = parsePlatformObject(value["platform"], what);
  const data = parseData(value["data"], { digest, size }, what);
  return {
    mediaType: parseMediaType(value["mediaType"], what),
    digest,
    size,
    annotations: parseAnnotations(value["annotations"], what),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(platform === undefined ? {} : { platform }),
    ...(data === undefined ? {} : { data }),
  };
}

function parseMediaType(value: unknown, what: string): string {
  if (typeof value !== "string" || value === "") throw malformed(what, "has no media type");
  if (value.length > MAX_MEDIA_TYPE_LENGTH || !/^[ -~]+$/.test(value))
    throw malformed(what, "has no usable media type");
  return value;
}

function parseSize(value: unknown, what: string): number {
  if (value === undefined || value === null) throw malformed(what, "has no size");
  if (typeof value !== "number") throw malformed(what, `has a size that is a ${typeof value}`);
  if (value < 0) throw malformed(what, `has a negative size: ${value}`);
  if (!Number.isSafeInteger(value)) throw malformed(what, `has a size that no file can have: ${value}`);
  return value;
}

/** A member that may be absent, null or empty (all undefined), else must be a string. */
export function optionalString(object: JsonObject, key: string, what: string): string | undefined {
  const value = object[key];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw malformed(what, `has a ${key} that is not text`);
  return value;
}

export function parseAnnotations(value: unknown, what: string): Annotations {
  if (value === undefined || value === null) return NO_ANNOTATIONS;
  if (!isJsonObject(value)) throw malformed(what, "has annotations that are not an object");
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw malformed(what, `has an annotation that is not text: ${key.slice(0, 80)}`);
  }
  // Every member was just seen to be a string.
  return value as Annotations;
}

function parsePlatformObject(value: unknown, what: string): Platform | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw malformed(what, "has a platform that is not an object");
  const os = optionalString(value, "os", what);
  const architecture = optionalString(value, "architecture", what);
  const variant = optionalString(value, "variant", what);
  if (os === undefined || architecture === undefined) return undefined;
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

function parseData(
  value: unknown,
  expected: { readonly digest: Digest; readonly size: number },
  what: string,
): Uint8Array | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || !isBase64(value)) throw malformed(what, "has embedded data that is not base64");
  const data = new Uint8Array(Buffer.from(value, "base64"));
  if (data.length !== expected.size) {
    throw new RiffleError(
      "verification",
      `the embedded data of ${what} has ${data.length} bytes, not ${expected.size}`,
    );
  }
  verifyDigest(data, expected.digest, `the embedded data of ${what}`);
  return data;
}

/** RFC 4648 section 4, padded; checked without backtracking. */
function isBase64(text: string): boolean {
  if (text.length % 4 !== 0) return false;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return /^[A-Za-z0-9+/]*$/.test(text.slice(0, text.length - padding));
}

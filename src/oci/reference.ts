import { isIPv6 } from "node:net";
import { isDigest, type Digest } from "../bytes/digest.ts";
import { RiffleError } from "../errors.ts";

/** `HOST[:PORT]/REPO[:TAG][@DIGEST]`; where both are given the digest decides and the tag is only shown. */
export interface RegistryReference {
  readonly kind: "registry";
  /** `host` or `host:port`, as in the Docker credential file; `docker.io` for Docker Hub. */
  readonly host: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** `oci:DIR[:TAG]` or `oci:DIR@DIGEST`: a local OCI image layout directory. */
export interface LayoutReference {
  readonly kind: "layout";
  readonly directory: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export type Reference = RegistryReference | LayoutReference;

/** What the registries' own grammar allows for a repository with its host (distribution `reference` package). */
const MAX_NAME_LENGTH = 255;
/** Far above any real reference; keeps a pasted file from being echoed and matched. */
const MAX_REFERENCE_LENGTH = 4096;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const HOST_LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;

const FORMS = "write HOST[:PORT]/REPO:TAG, HOST/REPO@sha256:HEX or oci:DIR[:TAG]";

function refuse(text: string, why: string, hint: string = FORMS): never {
  throw new RiffleError("usage", `not a reference: "${text.slice(0, 200)}": ${why}`, { hint });
}

/** Throws `usage` with what is wrong. Docker Hub short names are completed; no tag and no digest means `latest`. */
export function parseReference(text: string): Reference {
  if (text.length > MAX_REFERENCE_LENGTH) refuse(text, `longer than ${MAX_REFERENCE_LENGTH} characters`);
  if (text === "") refuse(text, "it is empty");
  const scheme = /^([a-z][a-z+.-]*):\/\//i.exec(text)?.[0];
  if (scheme !== undefined) refuse(text, `it starts with ${scheme}`, `leave out ${scheme}; ${FORMS}`);
  if (/[\p{Cc}]/u.test(text)) refuse(text, "it holds control characters");
  if (!text.startsWith("oci:") && /\s/.test(text)) refuse(text, "it holds white space");
  const { name, digest } = splitDigest(text);
  return text.startsWith("oci:") ? layoutReference(text, name, digest) : registryReference(text, name, digest);
}

function splitDigest(text: string): { readonly name: string; readonly digest?: Digest } {
  const at = text.startsWith("oci:") ? text.search(/@sha\d*(?::[^/]*)?$/) : text.indexOf("@");
  if (at < 0) return { name: text };
  const digest = text.slice(at + 1);
  if (isDigest(digest)) return { name: text.slice(0, at), digest };
  return refuse(text, "what follows @ is not a digest", "a digest is sha256: and 64 lower-case hex digits");
}

function layoutReference(text: string, name: string, digest: Digest | undefined): LayoutReference {
  const rest = name.slice("oci:".length);
  // As skopeo: the first colon ends the directory, so that a tag may hold anything that a ref.name may.
  const colon = rest.indexOf(":");
  const directory = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (directory === "") refuse(text, "no directory follows oci:");
  if (tag === "") refuse(text, "the tag after : is empty");
  return withVersion({ kind: "layout", directory }, tag, digest);
}

function withVersion<T extends Reference>(name: T, tag: string | undefined, digest: Digest | undefined): T {
  if (digest === undefined) return { ...name, tag: tag ?? "latest" };
  return tag === undefined ? { ...name, digest } : { ...name, tag, digest };
}

function registryReference(text: string, name: string, digest: Digest | undefined): RegistryReference {
  const slash = name.indexOf("/");
  const first = slash < 0 ? name : name.slice(0, slash);
  const named = slash >= 0 && /[.:]|^localhost$|^\[/i.test(first);
  const rest = named ? name.slice(slash + 1) : name;
  const colon = rest.lastIndexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (slash < 0 && /\.|^localhost$|^\[/i.test(path)) refuse(text, "it names a host and no repository");
  const host = named ? hubAlias(checkHost(text, first)) : "docker.io";
  const repository = host === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  checkRepository(text, path, `${host}/${repository}`);
  if (tag !== undefined && !TAG.test(tag))
    refuse(text, tag === "" ? "the tag after : is empty" : `"${tag.slice(0, 140)}" is not a tag`, TAG_HINT);
  return withVersion({ kind: "registry", host, repository }, tag, digest);
}

const TAG_HINT = "a tag has up to 128 letters, digits, _, . and -, and does not start with . or -";

function hubAlias(host: string): string {
  return host === "index.docker.io" ? "docker.io" : host;
}

function checkHost(text: string, written: string): string {
  const [, host = "", port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(written.toLowerCase()) ?? [];
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535))
    refuse(text, `"${port}" is not a port number`);
  if (host.startsWith("[")) {
    if (!isIPv6(host.slice(1, -1))) refuse(text, `"${host}" is not an IPv6 address`);
  } else if (host.length > 253 || !host.split(".").every((label) => HOST_LABEL.test(label)))
    refuse(text, `"${host}" is not a host name`);
  return port === undefined ? host : `${host}:${Number(port)}`;
}

function checkRepository(text: string, path: string, full: string): void {
  if (path === "") refuse(text, "it names no repository");
  if (full.length > MAX_NAME_LENGTH) refuse(text, `the name is longer than ${MAX_NAME_LENGTH} characters`);
  if (/[A-Z]/.test(path)) refuse(text, "repository names are lower case", `write ${path.toLowerCase()}`);
  const bad = path.split("/").find((component) => !COMPONENT.test(component));
  if (bad === undefined) return;
  if (bad === "") refuse(text, "the repository name has an empty part");
  refuse(text, `"${bad}" is not a part of a repository name`, "use letters, digits and single . _ or - between them");
}

/** The reference in full: what `parseReference` takes, and equal to it again. */
export function formatReference(reference: Reference): string {
  const name = reference.kind === "layout" ? `oci:${reference.directory}` : `${reference.host}/${reference.repository}`;
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  return `${name}${tag}${reference.digest === undefined ? "" : `@${reference.digest}`}`;
}

/** The immutable name, without a tag: `HOST/REPO@sha256:HEX` or `oci:DIR@sha256:HEX`. */
export function pinnedReference(reference: Reference, digest: Digest): string {
  return reference.kind === "layout"
    ? `oci:${reference.directory}@${digest}`
    : `${reference.host}/${reference.repository}@${digest}`;
}

import { readFile } from "node:fs/promises";
import { RiffleError } from "../errors.ts";
import { isJsonObject, parseJsonObject, type JsonObject } from "../oci/parse-json.ts";
import type { Credential } from "./credential.ts";

/** The key under which Docker has kept Docker Hub's credentials since its first registry. */
export const HUB_KEY = "https://index.docker.io/v1/";
const HUB_NAMES: ReadonlySet<string> = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/** A Docker or Podman credential file as it is; members that are not known are kept when it is written. */
export type CredentialDocument = JsonObject;

function unusable(file: string, why: string, cause?: unknown): RiffleError {
  const details = { hint: "repair or remove it, or name another with --registry-config", ...(cause ? { cause } : {}) };
  return new RiffleError("credentials", `the credential file ${file} ${why}`, details);
}

/** Undefined where there is no such file; empty ones hold nothing. Throws `credentials` with one clause that names the file. */
export async function readCredentialFile(file: string): Promise<CredentialDocument | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw unusable(file, "cannot be read", error);
  }
  if (bytes.length === 0) return {};
  try {
    return parseJsonObject(bytes, "the file");
  } catch (error) {
    // The cause may quote the file: it is told apart from the message, and not shown.
    throw unusable(file, `is not usable: ${error instanceof RiffleError ? error.message : "it is broken"}`);
  }
}

/** A member that is an object, or an empty one. Throws for another type. */
export function section(document: CredentialDocument, name: string, file: string): JsonObject {
  const value = document[name] ?? {};
  if (!isJsonObject(value)) throw unusable(file, `has ${name} that are not an object`);
  return value;
}

/** `https://host/v1/` and `host/` are older spellings of `host`; Docker Hub has one name. */
function plainKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  const host = /^([^/]+)\/v[12]$/.exec(bare)?.[1] ?? bare;
  const [first = "", ...rest] = host.split("/");
  return [HUB_NAMES.has(first) ? "docker.io" : first, ...rest].join("/");
}

/** Keys for a repository, the most special first: Podman keeps credentials for `host/namespace/repo` too. */
function wantedKeys(host: string, repository: string | undefined): readonly string[] {
  const parts = (repository ?? "").split("/").filter((part) => part !== "");
  const scoped = parts.map((_, cut) => [plainKey(host), ...parts.slice(0, parts.length - cut)].join("/"));
  return [...scoped, plainKey(host)];
}

/** The keys of `table` that mean `host` (or the repository below it), the most special first. */
export function matchingKeys(table: JsonObject, host: string, repository?: string): readonly string[] {
  const keys = Object.keys(table);
  return wantedKeys(host, repository).flatMap((wanted) => keys.filter((key) => plainKey(key) === wanted));
}

/** What a helper keeps a host's credentials under, and what `login` writes. */
export function keyOf(host: string): string {
  return HUB_NAMES.has(host) ? HUB_KEY : host;
}

function text(entry: JsonObject, name: string, where: string): string | undefined {
  const value = entry[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw unusable(where, `has a ${name} that is not text`);
  return value;
}

/** `auth` is base64 of `user:password`, and counts more than the two apart. */
function decodeAuth(auth: string, file: string): { readonly username: string; readonly password: string } {
  const decoded = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = decoded.indexOf(":");
  if (colon < 0) throw unusable(file, "has an auth that is not base64 of user:password");
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

/** One entry of `auths`; undefined when it holds nothing. */
function parseEntry(value: unknown, file: string): Credential | undefined {
  if (!isJsonObject(value)) throw unusable(file, "has an entry of auths that is not an object");
  const auth = text(value, "auth", file);
  const apart = { username: text(value, "username", file), password: text(value, "password", file) };
  const { username, password } = auth === undefined ? apart : decodeAuth(auth, file);
  const identityToken = text(value, "identitytoken", file);
  const registryToken = text(value, "registrytoken", file);
  const credential: Credential = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined || password === "" ? {} : { password }),
    ...(identityToken === undefined ? {} : { identityToken }),
    ...(registryToken === undefined ? {} : { registryToken }),
  };
  const isUsable =
    identityToken !== undefined || registryToken !== undefined || (username !== undefined && password !== undefined);
  return isUsable ? credential : undefined;
}

/** The credential in `auths` for the host or, more special, the repository. */
export function findInAuths(
  document: CredentialDocument,
  target: { readonly host: string; readonly repository?: string; readonly file: string },
): Credential | undefined {
  const auths = section(document, "auths", target.file);
  for (const key of matchingKeys(auths, target.host, target.repository)) {
    const credential = parseEntry(auths[key], target.file);
    if (credential !== undefined) return credential;
  }
  return undefined;
}

/** The helper in charge of a host: its own of `credHelpers` (empty: none), else `credsStore`. */
export function helperFor(document: CredentialDocument, host: string, file: string): string | undefined {
  const helpers = section(document, "credHelpers", file);
  const [key] = matchingKeys(helpers, host);
  const own = key === undefined ? undefined : helpers[key];
  if (own !== undefined && typeof own !== "string") throw unusable(file, "has a credential helper that is not text");
  if (own !== undefined) return own === "" ? undefined : own;
  const store = text(document, "credsStore", file);
  return store;
}

import type { Digest } from "../bytes/digest.ts";
import { isRiffleError } from "../errors.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { RegistryReference } from "../oci/reference.ts";
import { probeBlob, type BlobFacts } from "./blob-probe.ts";
import { connectRegistry, type RegistryConnection, type RegistryOptions } from "./open-registry.ts";
import { referrersByApi } from "./referrers.ts";
import { askRegistry, isWebPage } from "./registry-http.ts";

export interface RegistryCapabilities extends BlobFacts {
  readonly host: string;
  readonly scheme: "https" | "http";
  /** Whether `/v2/` answers as a registry; what it states of its version. */
  readonly isRegistry: boolean;
  readonly apiVersion?: string;
  /** How it asked for credentials. */
  readonly authentication: "anonymous" | "basic" | "bearer";
  /** Whether it has the referrers API; absent without a subject. */
  readonly referrersApi?: boolean;
}

const MAX_PING_BYTES = 1024 * 1024;

/**
 * Asks a registry what it can do: one request for `/v2/`, one range of two bytes of `blob`, one for the referrers of
 * `subject`, redirects and tokens beside; if `thorough` also a HEAD and small ranges in parallel. Rejects only when the
 * registry cannot be reached or refuses credentials.
 */
export async function registryCapabilities(
  reference: RegistryReference,
  options: RegistryOptions & {
    readonly blob?: Descriptor;
    readonly subject?: Digest;
    readonly thorough?: boolean;
  } = {},
): Promise<RegistryCapabilities> {
  const { blob, subject } = options;
  const scope = `repository:${reference.repository}:pull`;
  const connection = connectRegistry({ host: reference.host, scope }, options);
  try {
    const base = await connection.endpoint.base();
    const ping = await pingRegistry(connection, options);
    const range =
      blob === undefined || blob.size === 0
        ? {}
        : await probeBlob(reference, blob, { ...connection, ...options, thorough: options.thorough ?? false });
    const referrers =
      subject === undefined
        ? undefined
        : await referrersByApi(reference.repository, subject, { ...options, ...connection });
    return {
      host: reference.host,
      scheme: base.protocol === "https:" ? "https" : "http",
      ...ping,
      authentication: connection.authorizer.kind,
      ...range,
      ...(subject === undefined ? {} : { referrersApi: referrers !== undefined }),
    };
  } finally {
    await connection.close();
  }
}

async function pingRegistry(
  connection: RegistryConnection,
  options: RegistryOptions,
): Promise<Pick<RegistryCapabilities, "isRegistry" | "apiVersion">> {
  try {
    const answer = await askRegistry(
      { path: "v2/", kind: "other", accept: "application/json", what: "/v2/", limit: MAX_PING_BYTES },
      { ...options, ...connection },
    );
    const apiVersion = answer.headers["docker-distribution-api-version"];
    const isRegistry = answer.status === 200 && !isWebPage(answer);
    return apiVersion === undefined ? { isRegistry } : { isRegistry, apiVersion: apiVersion.slice(0, 80) };
  } catch (error) {
    // A registry may keep `/v2/` for those who log in and give the repository to all.
    if (isRiffleError(error) && error.code === "credentials") return { isRegistry: true };
    throw error;
  }
}

import { parseMirrorAddress } from "../oci/mirror-address.ts";
import type { RegistryReference } from "../oci/reference.ts";
import { RiffleError } from "../errors.ts";
import type { HttpClientOptions } from "../fetch/http-client.ts";
import type { CredentialSource } from "./credential.ts";
import { MirrorHealth } from "./mirror-health.ts";
import type { Mirror } from "./mirror.ts";
import { mirroredRegistry, type MirroredRegistry, type MirrorSite } from "./mirrored-registry.ts";
import { openRegistry, type RegistryOptions } from "./open-registry.ts";
import { DEFAULT_TIMEOUT_MS } from "../fetch/retry.ts";

/** A mirror that does not answer must not take the time of those behind it. */
const MIRROR_ATTEMPTS = 2;
const MIRROR_CONNECT_MS = 3000;

/**
 * The repository that a reference names, behind the mirrors of its host. Each has a client, credentials and trust of its own:
 * of the registry's options it gets none but the clock, the log, the trace, the counts and the proxies. All together keep to the time limit.
 */
export function openMirrored(
  reference: RegistryReference,
  mirrors: readonly Mirror[],
  options: RegistryOptions,
): MirroredRegistry {
  const timeoutMs = Math.floor((options.timeoutMs ?? DEFAULT_TIMEOUT_MS) / (mirrors.length + 1));
  const sites = mirrors.map((mirror) => openSite(reference, mirror, { ...options, timeoutMs }));
  const { log } = options;
  return mirroredRegistry(openRegistry(reference, { ...options, timeoutMs }), {
    sites,
    ...(log === undefined ? {} : { log }),
  });
}

function openSite(
  reference: RegistryReference,
  mirror: Mirror,
  options: RegistryOptions & { readonly timeoutMs: number },
): MirrorSite {
  const address = parseMirrorAddress(mirror.host);
  if (address === undefined) {
    throw new RiffleError("usage", `not the address of a mirror: "${mirror.host.slice(0, 200)}"`, {
      hint: "write https://HOST[:PORT], http://HOST[:PORT] or HOST[:PORT]",
    });
  }
  const { meter, log, now, random, sleep, timeoutMs, http } = options;
  const { host, scheme, prefix } = address;
  const within = (ms: number): number => Math.min(ms, timeoutMs);
  const own: HttpClientOptions = {
    ...(http?.proxies === undefined ? {} : { proxies: http.proxies }),
    ...(http?.trace === undefined ? {} : { trace: http.trace }),
    ...(mirror.caFile === undefined ? {} : { caFile: mirror.caFile }),
    ...(mirror.insecure === undefined ? {} : { insecure: mirror.insecure }),
    connectTimeoutMs: within(MIRROR_CONNECT_MS),
    firstByteTimeoutMs: within(http?.firstByteTimeoutMs ?? timeoutMs),
    stallTimeoutMs: within(http?.stallTimeoutMs ?? timeoutMs),
  };
  const { credentials } = mirror;
  const registry = openRegistry(
    { ...reference, host, repository: `${prefix}${reference.repository}` },
    {
      timeoutMs,
      attempts: MIRROR_ATTEMPTS,
      http: own,
      plainHttp: scheme === "http",
      ...(scheme === "https" ? { speaksTls: () => Promise.resolve(true) } : {}),
      ...(mirror.ns === false ? {} : { namespace: reference.host }),
      ...(credentials === undefined ? {} : { credentials: sourceOf(credentials) }),
      ...(meter === undefined ? {} : { meter }),
      ...(log === undefined ? {} : { log }),
      ...(now === undefined ? {} : { now }),
      ...(random === undefined ? {} : { random }),
      ...(sleep === undefined ? {} : { sleep }),
    },
  );
  const health = new MirrorHealth(mirror.host, now ?? Date.now);
  return { health, registry, capabilities: mirror.capabilities ?? ["pull", "resolve"] };
}

function sourceOf(credentials: NonNullable<Mirror["credentials"]>): CredentialSource {
  return typeof credentials === "function" ? credentials : () => Promise.resolve(credentials);
}

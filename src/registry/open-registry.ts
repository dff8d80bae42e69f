import type { HttpClient, HttpMeter } from "../fetch/http.ts";
import { createHttpClient, type HttpClientOptions } from "../fetch/http-client.ts";
import type { FetchLog } from "../fetch/log.ts";
import type { RetryOptions } from "../fetch/retry.ts";
import type { Reference } from "../oci/reference.ts";
import { createAuthorizer, type RegistryAuthorizer } from "./authorizer.ts";
import type { CredentialSource } from "./credential.ts";
import { createEndpoint, type Endpoint, type EndpointOptions } from "./endpoint.ts";
import { LayoutRegistry } from "./layout-registry.ts";
import type { Registry } from "./registry.ts";
import { RemoteRegistry } from "./remote-registry.ts";

export interface RegistryOptions extends EndpointOptions, RetryOptions {
  /** Shared and left open by `close`; without it a client of its own is made from `http`. */
  readonly client?: HttpClient;
  readonly http?: HttpClientOptions;
  /** Asked at the first challenge; without it everything is anonymous. */
  readonly credentials?: CredentialSource;
  /** Told of retries; a client of its own counts requests and bytes in it too. */
  readonly meter?: HttpMeter;
  readonly log?: FetchLog;
  readonly firstByteTimeoutMs?: number;
  readonly stallTimeoutMs?: number;
  /** Of a mirror: the registry that is meant, sent as `?ns=`. */
  readonly namespace?: string;
}

/** The pieces that speak to one host on behalf of one scope. */
export interface RegistryConnection {
  readonly client: HttpClient;
  readonly endpoint: Endpoint;
  readonly authorizer: RegistryAuthorizer;
  /** Closes the client where it is the connection's own. */
  readonly close: () => Promise<void>;
}

export function connectRegistry(
  target: { readonly host: string; readonly scope: string },
  options: RegistryOptions,
): RegistryConnection {
  const { meter, log } = options;
  const own = options.client === undefined;
  const client =
    options.client ??
    createHttpClient({
      ...(meter === undefined ? {} : { meter }),
      ...(log === undefined ? {} : { log }),
      ...options.http,
    });
  const endpoint = createEndpoint(target.host, options);
  const authorizer = createAuthorizer({
    client,
    endpoint,
    scope: target.scope,
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    ...(options.now === undefined ? {} : { now: options.now }),
  });
  return { client, endpoint, authorizer, close: () => (own ? client.close() : Promise.resolve()) };
}

/** The repository that a reference names, remote or local. No I/O until the first call. */
export function openRegistry(reference: Reference, options: RegistryOptions = {}): Registry {
  if (reference.kind === "layout") return new LayoutRegistry(reference);
  const scope = `repository:${reference.repository}:pull`;
  const { close, ...connection } = connectRegistry({ host: reference.host, scope }, options);
  return new RemoteRegistry(reference, { ...options, ...connection, onClose: close });
}

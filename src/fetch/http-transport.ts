import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type * as Undici from "undici";
import { RiffleError } from "../errors.ts";
import { guardedLookup, type AddressOptions, type GuardOptions } from "./address-guard.ts";
import { namesProxy, proxyFor, type ProxySettings } from "./http-proxy.ts";
import { receiveRing } from "./receive-ring.ts";

export interface TransportOptions extends AddressOptions {
  /** PEM text of authorities to trust beside Node's bundled ones. */
  readonly ca?: string;
  /** The same from a file, read at the first request. */
  readonly caFile?: string;
  /** Accepts any certificate. */
  readonly insecure?: boolean;
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY; nothing else is read from it, and the process's environment never. */
  readonly proxies?: ProxySettings;
  readonly connectTimeoutMs?: number;
}

/**
 * Makes lanes: clients of one connection each, direct or through the proxy that the settings name for an address. Behind a
 * proxy the guard sees no address: names are looked up there.
 */
export type Transport = (url: URL, guard: GuardOptions) => Undici.Dispatcher;

export const DEFAULT_CONNECT_MS = 10_000;
/** Idle connections outlive a reader's pauses; CDNs and nginx keep theirs for 20-75 s, and what they announce wins. */
const KEEP_ALIVE_MS = 15_000;
/** Presigned redirects carry kilobytes of query in one header. */
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Loads undici and the trusted authorities. Without proxies only undici's client is loaded: the whole package costs a
 * command 100 ms of CPU or more at its start, the client a third. Throws `usage` for a certificate file that is none.
 */
export async function loadTransport(options: TransportOptions): Promise<Transport> {
  const connect = await trustOptions(options);
  const { proxies = {}, lookup } = options;
  const looked = lookup === undefined ? {} : { lookup };
  const lane = { pipelining: 1, allowH2: false, keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: MAX_HEADER_BYTES };
  const undici = namesProxy(proxies) ? await import("undici") : undefined;
  const Client = undici?.Client ?? loadClient();
  return (url, guard) => {
    const proxy = undici === undefined ? undefined : proxyFor(url, proxies);
    if (undici === undefined || proxy === undefined) {
      // A lane has one connection at a time, and a ring is for one.
      return new Client(url.origin, {
        ...lane,
        connect: { ...connect, lookup: guardedLookup({ ...guard, ...looked }), ...receiveRing() },
      });
    }
    const both = { requestTls: connect, proxyTls: connect };
    return new undici.ProxyAgent({ ...lane, ...both, connections: 1, uri: proxy.href, proxyTunnel: false });
  };
}

function loadClient(): typeof Undici.Client {
  // The file exports what undici exports under this name; undici's types cover its main module only.
  return createRequire(import.meta.url)("undici/lib/dispatcher/client.js") as typeof Undici.Client;
}

async function trustOptions(options: TransportOptions): Promise<Readonly<Record<string, unknown>>> {
  const timeout = options.connectTimeoutMs ?? DEFAULT_CONNECT_MS;
  const added = [options.ca, options.caFile === undefined ? undefined : await readAuthorities(options.caFile)];
  const authorities = added.filter((pem) => pem !== undefined);
  const insecure = options.insecure === true ? { rejectUnauthorized: false } : {};
  if (authorities.length === 0) return { timeout, ...insecure };
  const { createSecureContext, rootCertificates } = await import("node:tls");
  try {
    // One context for all connections: parsing the bundled authorities costs milliseconds each time.
    return { timeout, ...insecure, secureContext: createSecureContext({ ca: [...rootCertificates, ...authorities] }) };
  } catch (error) {
    throw new RiffleError("usage", `${options.caFile ?? "the authority"} holds no PEM certificate`, { cause: error });
  }
}

async function readAuthorities(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new RiffleError("usage", `cannot read the certificate file ${file}`, { cause: error });
  });
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  const hint = "it must hold BEGIN CERTIFICATE lines";
  throw new RiffleError("usage", `${file} holds no PEM certificate`, { hint });
}

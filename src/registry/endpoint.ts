import { SingleFlight } from "../bytes/flight.ts";
import { abortError, RiffleError } from "../errors.ts";
import { failureReason, httpFailure } from "../fetch/http-failure.ts";
import { isLoopbackHost } from "../fetch/http-proxy.ts";

export interface EndpointOptions {
  readonly plainHttp?: boolean;
  /** Whether TLS is spoken at a loopback port; rejects `unreachable` when nothing listens there. */
  readonly speaksTls?: (host: string, port: number, signal: AbortSignal) => Promise<boolean>;
}

/** Where Docker Hub's registry really is. */
const ALIASES: ReadonlyMap<string, string> = new Map([["docker.io", "registry-1.docker.io"]]);

/** Local services answer a TLS greeting at once; one that stays silent is taken for plain HTTP. */
const TLS_PROBE_MS = 2000;

/** Where a registry is asked. */
export interface Endpoint {
  /** The origin with a trailing slash. For loopback hosts the scheme is found out once and remembered. */
  base(signal?: AbortSignal): Promise<URL>;
}

/**
 * HTTPS, or HTTP with `plainHttp`. For loopback hosts one TLS greeting of our own decides before the first request: a
 * handshake, whatever its certificate, means HTTPS and no way back; anything else means HTTP. This costs one local
 * connection and no HTTP request, and a registry with TLS never sees a request in plain text.
 */
export function createEndpoint(host: string, options: EndpointOptions = {}): Endpoint {
  const name = ALIASES.get(host) ?? host;
  const secure = new URL(`https://${name}/`);
  const plain = new URL(`http://${name}/`);
  if (options.plainHttp === true) return { base: () => Promise.resolve(plain) };
  if (!isLoopbackHost(secure.hostname)) return { base: () => Promise.resolve(secure) };
  const flight = new SingleFlight<"probe", URL>();
  const probe = options.speaksTls ?? speaksTls;
  let known: URL | undefined;
  const findOut = async (signal: AbortSignal): Promise<URL> => {
    const port = secure.port === "" ? 443 : Number(secure.port);
    const greeting = probe(secure.hostname.replace(/^\[|\]$/g, ""), port, signal);
    // Without a port in its name, HTTP would be at another one than HTTPS.
    const isSecure = await (secure.port === "" ? greeting.catch(falseIfRefused) : greeting);
    known = isSecure ? secure : plain;
    return known;
  };
  return { base: (signal) => (known === undefined ? flight.run("probe", findOut, signal) : Promise.resolve(known)) };
}

function falseIfRefused(failure: unknown): boolean {
  if (failure instanceof RiffleError && failureReason(failure) === "refused") return false;
  throw failure;
}

async function speaksTls(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  const { connect } = await import("node:tls");
  return new Promise((resolve, reject) => {
    // No certificate is judged here: the requests that follow do that.
    const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    let isConnected = false;
    const end = (settle: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      settle();
    };
    const onAbort = (): void => end(() => reject(abortError(signal)));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.setTimeout(TLS_PROBE_MS, () =>
      end(() => {
        if (isConnected) resolve(false);
        else reject(new RiffleError("timeout", `${host}:${port} did not accept a connection`, { facts: { host } }));
      }),
    );
    socket.once("connect", () => (isConnected = true));
    socket.once("secureConnect", () => end(() => resolve(true)));
    socket.once("error", (error) =>
      end(() => {
        const failure = httpFailure(error, `${host}:${port}`, signal);
        const reason = failureReason(failure);
        if (!isConnected && reason !== "tls-not-spoken" && reason !== "reset") reject(failure);
        else resolve(reason === "tls");
      }),
    );
  });
}

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { AddressOptions, LookupHost } from "../../src/fetch/address-guard.ts";
import { reachOfAddress, type Reach } from "../../src/fetch/reach.ts";

export interface NamedRequest {
  /** Without its port. */
  readonly host: string;
  readonly url: string;
  readonly authorization: string | undefined;
}

/** One server under many names, each an address of its own on loopback that is taken to lie where the test says. */
export interface NamedHosts extends AsyncDisposable {
  readonly port: number;
  readonly addresses: Required<AddressOptions>;
  readonly seen: NamedRequest[];
  /** Names whose address was connected to, each once, in order. */
  readonly connected: string[];
}

export interface NamedHostsOptions {
  readonly reaches: Readonly<Record<string, Reach>>;
  readonly answer: (asked: NamedRequest, response: ServerResponse) => void;
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** Names get 127.0.1.1, 127.0.1.2 and so on. In this process: do not block it. */
export async function namedHosts({ reaches, answer, tls }: NamedHostsOptions): Promise<NamedHosts> {
  const names = Object.keys(reaches);
  const addressOf = (name: string): string => `127.0.1.${names.indexOf(name) + 1}`;
  const nameOf = (address: string): string | undefined => names.find((name) => addressOf(name) === address);
  const lookup: LookupHost = (hostname, _options, callback) => {
    if (names.includes(hostname)) return callback(null, [{ address: addressOf(hostname), family: 4 }]);
    return callback(Object.assign(new Error(`no such name: ${hostname}`), { code: "ENOTFOUND" }), []);
  };
  const reachOf = (address: string): Reach => reaches[nameOf(address) ?? ""] ?? reachOfAddress(address);
  const seen: NamedRequest[] = [];
  const connected: string[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const { host = "", authorization } = request.headers;
    const asked = { host: host.replace(/:\d+$/, ""), url: request.url ?? "", authorization };
    seen.push(asked);
    answer(asked, response);
  };
  const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
  server.on("connection", ({ localAddress = "" }: { readonly localAddress?: string }) => {
    const name = nameOf(localAddress) ?? localAddress;
    if (!connected.includes(name)) connected.push(name);
  });
  // A handshake that the client breaks off is what some tests want.
  server.on("tlsClientError", () => undefined);
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  // A server that listens on TCP has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    addresses: { lookup, reachOf },
    seen,
    connected,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

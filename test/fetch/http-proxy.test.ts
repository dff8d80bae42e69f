import { createServer as createTlsServer } from "node:https";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { createServer as createHttpServer } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { createHttpClient } from "../../src/fetch/http-client.ts";
import { isLoopbackHost, proxyFor, type ProxySettings } from "../../src/fetch/http-proxy.ts";
import { HAS_OPENSSL, makeCertificate, temporaryFolder } from "../support/certificates.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const both: ProxySettings = { HTTP_PROXY: "http://plain:1", HTTPS_PROXY: "http://secure:2" };

test.each<[string, ProxySettings, string | undefined]>([
  ["https://ghcr.io/", both, "secure:2"],
  ["http://ghcr.io/", both, "plain:1"],
  ["https://ghcr.io/", { HTTP_PROXY: "http://plain:1" }, undefined],
  ["https://ghcr.io/", { HTTPS_PROXY: "secure:2" }, "secure:2"],
  ["https://ghcr.io/", { HTTPS_PROXY: "http://a:1", https_proxy: "http://b:1" }, "b:1"],
  ["https://ghcr.io/", {}, undefined],
  ["https://localhost:5000/", both, undefined],
  ["https://127.9.9.9/", both, undefined],
  ["https://[::1]/", both, undefined],
  ["https://ghcr.io/", { ...both, NO_PROXY: "*" }, undefined],
  ["https://ghcr.io/", { ...both, NO_PROXY: "quay.io, ghcr.io" }, undefined],
  ["https://a.ghcr.io/", { ...both, NO_PROXY: ".ghcr.io" }, undefined],
  ["https://a.ghcr.io/", { ...both, NO_PROXY: "*.ghcr.io" }, undefined],
  ["https://a.ghcr.io/", { ...both, no_proxy: "ghcr.io" }, undefined],
  ["https://xghcr.io/", { ...both, NO_PROXY: "ghcr.io" }, "secure:2"],
  ["https://ghcr.io:5000/", { ...both, NO_PROXY: "ghcr.io:443" }, "secure:2"],
  ["https://ghcr.io/", { ...both, NO_PROXY: "ghcr.io:443" }, undefined],
  ["https://10.1.2.3/", { ...both, NO_PROXY: "10.0.0.0/8" }, undefined],
  ["https://11.1.2.3/", { ...both, NO_PROXY: "10.0.0.0/8" }, "secure:2"],
  ["https://[2001:db8::7]/", { ...both, NO_PROXY: "2001:db8::/32" }, undefined],
  ["https://11.1.2.3/", { ...both, NO_PROXY: "10.0.0.0/99, x/8, /" }, "secure:2"],
])("%s with %j goes by %s", (url, settings, proxy) => {
  expect(proxyFor(new URL(url), settings)?.host).toBe(proxy);
});

test("loopback hosts", () => {
  expect(["localhost", "a.localhost", "127.0.0.1", "[::1]", "::1"].every(isLoopbackHost)).toBe(true);
  expect(["localhost.io", "128.0.0.1", "127.evil.io", "::2", "ghcr.io"].some(isLoopbackHost)).toBe(false);
});

describe("through a proxy", () => {
  test("plain requests are handed over whole; others by CONNECT, and a refusal says so without the password", async () => {
    const seen: string[] = [];
    const open = new Set<Socket>();
    const proxy = createHttpServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.end("by proxy");
    });
    proxy.on("connect", (request, socket: Socket) => {
      seen.push(`${request.method} ${request.url}`);
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
    proxy.on("connection", (socket: Socket) => open.add(socket));
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    cleanups.push(async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    });
    const address = `http://me:geheim@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const client = createHttpClient({ proxies: { HTTP_PROXY: address, HTTPS_PROXY: address } });
    cleanups.push(() => client.close());
    const response = await client.send(new URL("http://registry.invalid/v2/?a=1"), { kind: "other" });
    const pieces: Uint8Array[] = [];
    for await (const piece of response.body) pieces.push(piece);
    expect(Buffer.concat(pieces).toString()).toBe("by proxy");
    const refused = client.send(new URL("https://registry.invalid/"), { kind: "other" });
    await expect(refused).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("403") as string,
    });
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining("geheim") as string });
    expect(seen).toEqual(["GET http://registry.invalid/v2/?a=1", "CONNECT registry.invalid:443"]);
  });

  test.skipIf(!HAS_OPENSSL)("TLS goes through its tunnel, which is kept (skipped: no openssl)", async () => {
    const certificate = makeCertificate(temporaryFolder(cleanups));
    const names: string[] = [];
    const open = new Set<Socket>();
    const target = createTlsServer(certificate, (request, response) => void response.end(`hello ${request.url}`));
    const proxy = createHttpServer();
    for (const server of [target, proxy]) {
      server.on("connection", (socket: Socket) => open.add(socket));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      cleanups.push(() => void server.close());
    }
    cleanups.push(() => open.forEach((socket) => socket.destroy()));
    proxy.on("connect", (request, socket: Socket) => {
      names.push(request.url ?? "");
      const onward = connect((target.address() as AddressInfo).port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      open.add(onward);
      for (const end of [onward, socket]) end.on("error", () => {});
    });
    const { port } = proxy.address() as AddressInfo;
    const client = createHttpClient({ proxies: { HTTPS_PROXY: `127.0.0.1:${port}` }, insecure: true });
    cleanups.push(() => client.close());
    for (const path of ["/a", "/b"]) {
      const response = await client.send(new URL(path, "https://registry.invalid:8443"), { kind: "other" });
      const pieces: Uint8Array[] = [];
      for await (const piece of response.body) pieces.push(piece);
      expect(Buffer.concat(pieces).toString()).toBe(`hello ${path}`);
    }
    expect(names).toEqual(["registry.invalid:8443"]);
  });

  test("a proxy that is silent is left within the time for connections", async () => {
    const open: Socket[] = [];
    const silent = createServer((socket) => void open.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    cleanups.push(async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => silent.close(resolve));
    });
    const { port } = silent.address() as AddressInfo;
    const client = createHttpClient({ proxies: { HTTPS_PROXY: `http://127.0.0.1:${port}` }, connectTimeoutMs: 150 });
    cleanups.push(() => client.close());
    await expect(client.send(new URL("https://registry.invalid/"), { kind: "other" })).rejects.toMatchObject({
      code: "timeout",
    });
  });
});

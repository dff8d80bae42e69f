import { createServer, type AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RiffleError } from "../../src/errors.ts";
import { httpFailure } from "../../src/fetch/http-failure.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { createEndpoint } from "../../src/registry/endpoint.ts";
import { openRegistry } from "../../src/registry/open-registry.ts";
import { HAS_OPENSSL, makeCertificate, temporaryFolder, type TestCertificate } from "../support/certificates.ts";
import { answerManifest, artifactOf, countingMeter, failure, serve, type Cleanups } from "./fake-registry.ts";

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
const artifact = artifactOf("x");

test("public hosts are asked over HTTPS without a look, plain HTTP only where wanted, Docker Hub at its registry", async () => {
  const never = (): Promise<boolean> => Promise.reject(new Error("probed"));
  const base = async (host: string, plainHttp = false): Promise<string> =>
    (await createEndpoint(host, { plainHttp, speaksTls: never }).base()).href;
  expect(await base("ghcr.io")).toBe("https://ghcr.io/");
  expect(await base("10.0.0.1:5000")).toBe("https://10.0.0.1:5000/");
  expect(await base("[2001:db8::1]:5000")).toBe("https://[2001:db8::1]:5000/");
  expect(await base("docker.io")).toBe("https://registry-1.docker.io/");
  expect(await base("localhost:5000", true)).toBe("http://localhost:5000/");
});

test("loopback hosts are looked at once, however many ask", async () => {
  const asked: [string, number][] = [];
  const speaksTls = (host: string, port: number): Promise<boolean> => {
    asked.push([host, port]);
    return Promise.resolve(port === 443);
  };
  for (const [host, base] of [
    ["localhost", "https://localhost/"],
    ["127.1.2.3:5000", "http://127.1.2.3:5000/"],
    ["[::1]:5000", "http://[::1]:5000/"],
  ] as const) {
    const endpoint = createEndpoint(host, { speaksTls });
    const all = await Promise.all([endpoint.base(), endpoint.base(), endpoint.base()]);
    expect((await endpoint.base()).href).toBe(base);
    expect(new Set(all.map((url) => url.href)).size).toBe(1);
  }
  expect(asked).toEqual([
    ["localhost", 443],
    ["127.1.2.3", 5000],
    ["::1", 5000],
  ]);
});

test("a server that drops what is not HTTP is taken for plain HTTP; nobody there is an error", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect((await createEndpoint(host).base()).protocol).toBe("http:");
  await new Promise((resolve) => server.close(resolve));
  const gone = createEndpoint(host);
  expect((await failure(gone.base())).code).toBe("unreachable");
});

describe.skipIf(!HAS_OPENSSL)("over TLS (skipped: no openssl)", () => {
  let certificate: TestCertificate;
  beforeEach(() => {
    certificate = makeCertificate(temporaryFolder(cleanups));
  });

  test("HTTPS is found and used, with its authority; no plain request is made", async () => {
    const server = await serve(
      cleanups,
      (request, response) => void answerManifest(request, response, { v1: artifact }),
      certificate,
    );
    for (const name of [server.host, server.host.replace("127.0.0.1", "localhost")]) {
      const reference = parseReference(`${name}/x:v1`);
      const { meter, counts } = countingMeter();
      const registry = openRegistry(reference, { meter, http: { caFile: certificate.caFile } });
      cleanups.push(() => registry.close());
      expect((await registry.resolve(reference)).digest).toBe(artifact.digest);
      expect(counts.requests).toEqual(["manifest"]);
    }
    expect(server.seen).toHaveLength(2);
  });

  test("an unknown authority is unreachable with both ways out, never plain HTTP; --insecure takes it", async () => {
    const server = await serve(
      cleanups,
      (request, response) => void answerManifest(request, response, { v1: artifact }),
      certificate,
    );
    const reference = parseReference(`${server.host}/x:v1`);
    const { meter, counts } = countingMeter();
    const strict = openRegistry(reference, { meter });
    cleanups.push(() => strict.close());
    const error = await failure(strict.resolve(reference));
    expect(error.code).toBe("unreachable");
    expect(error.message).toMatch(/certificate that is signed by an authority this machine does not know/);
    expect(error.hint).toMatch(/--ca-file.*--insecure/);
    expect([counts.requests, counts.retries]).toEqual([[], 0]);
    const lenient = openRegistry(reference, { http: { insecure: true } });
    cleanups.push(() => lenient.close());
    expect((await lenient.resolve(reference)).digest).toBe(artifact.digest);
  });

  test("a redirect from HTTPS to HTTP, and an HTTP realm, are refused", async () => {
    const plain = await serve(cleanups, (_request, response) => void response.end());
    let answer = 0;
    const server = await serve(
      cleanups,
      (_request, response) => {
        answer += 1;
        if (answer === 1) response.writeHead(307, { location: `${plain.origin}/x` }).end();
        else response.writeHead(401, { "www-authenticate": `Bearer realm="${plain.origin}/token"` }).end();
      },
      certificate,
    );
    const reference = parseReference(`${server.host}/x:v1`);
    const credentials = (): Promise<{ username: string; password: string }> =>
      Promise.resolve({ username: "me", password: "pw" });
    const registry = openRegistry(reference, { credentials, http: { ca: certificate.ca } });
    cleanups.push(() => registry.close());
    expect((await failure(registry.resolve(reference))).code).toBe("misbehaved");
    expect((await failure(registry.resolve(reference))).message).toContain("place for tokens");
    expect(plain.seen).toEqual([]);
  });
});

test("without a port in its name, a loopback host that takes no connection for TLS is asked by HTTP", async () => {
  const refused = httpFailure(Object.assign(new Error("connect"), { code: "ECONNREFUSED" }), "localhost:443");
  const base = async (host: string, error: Error): Promise<string> =>
    (await createEndpoint(host, { speaksTls: () => Promise.reject(error) }).base()).href;
  expect(await base("localhost", refused)).toBe("http://localhost/");
  await expect(base("localhost:5000", refused)).rejects.toThrow(refused);
  const silent = new RiffleError("timeout", "localhost:443 did not accept a connection");
  await expect(base("localhost", silent)).rejects.toThrow(silent);
});

import { afterEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { OCI_INDEX } from "../../src/oci/media-type.ts";
import { parseReference, type RegistryReference } from "../../src/oci/reference.ts";
import { registryCapabilities } from "../../src/registry/capabilities.ts";
import { checkLogin } from "../../src/registry/login.ts";
import { failure, sendError, sendJson, serve, type Answer, type Cleanups, type FakeServer } from "./fake-registry.ts";

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
const quick = { sleep: () => Promise.resolve() };
const right = `Basic ${Buffer.from("me:pw").toString("base64")}`;
const basicGuard: Answer = (request, response) => {
  if (request.headers.authorization === right) sendJson(response, {});
  else sendError(response, 401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="x"' });
};

describe("a login", () => {
  test("is proven by Basic, or refused", async () => {
    const { host, paths } = await serve(cleanups, basicGuard);
    expect(await checkLogin(host, { username: "me", password: "pw" }, quick)).toEqual({
      proven: true,
      scheme: "basic",
    });
    expect((await failure(checkLogin(host, { username: "me", password: "no" }, quick))).code).toBe("credentials");
    expect(paths()).toEqual(["GET /v2/", "GET /v2/", "GET /v2/", "GET /v2/"]);
    expect((await failure(checkLogin(host, { username: "me" }, quick))).code).toBe("usage");
  });

  test("is proven by a token, asked for without a scope", async () => {
    const tokens = await serve(cleanups, (request, response) => {
      if (request.headers.authorization === right) sendJson(response, { token: "t" });
      else sendError(response, 401, "UNAUTHORIZED");
    });
    const { host } = await serve(cleanups, (request, response) => {
      if (request.headers.authorization === "Bearer t") sendJson(response, {});
      else sendError(response, 401, "X", { "www-authenticate": `Bearer realm="${tokens.origin}/t",service="s"` });
    });
    expect(await checkLogin(host, { username: "me", password: "pw" }, quick)).toEqual({
      proven: true,
      scheme: "bearer",
    });
    expect(tokens.seen[0]?.url).toBe("/t?service=s");
    expect((await failure(checkLogin(host, { username: "me", password: "no" }, quick))).code).toBe("credentials");
  });

  test("proves nothing where nothing is asked, and is no login where no registry is", async () => {
    const open = await serve(cleanups, (_request, response) => sendJson(response, {}));
    expect((await checkLogin(open.host, { username: "a", password: "b" }, quick)).proven).toBe(false);
    const page = await serve(cleanups, (_request, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<html>");
    });
    expect((await failure(checkLogin(page.host, { username: "a", password: "b" }, quick))).code).toBe("misbehaved");
    const other = await serve(cleanups, (_request, response) => void response.writeHead(404).end());
    expect((await failure(checkLogin(other.host, { username: "a", password: "b" }, quick))).code).toBe("misbehaved");
  });
});

describe("capabilities", () => {
  const bytes = new TextEncoder().encode("0123456789");
  const blob = { mediaType: "text/plain", digest: digestOf(bytes), size: bytes.length, annotations: {} };
  const subject = digestOf(new Uint8Array([3]));
  const referenceOf = (server: FakeServer): RegistryReference => {
    const reference = parseReference(`${server.host}/eo/scenes:v1`);
    if (reference.kind !== "registry") throw new Error("not a registry");
    return reference;
  };

  test("of one that redirects to a place with ranges and lists referrers", async () => {
    const store = await serve(cleanups, (_request, response) => {
      response.writeHead(206, { "content-range": "bytes 0-1/10" }).end(bytes.subarray(0, 2));
    });
    const server = await serve(cleanups, (request, response) => {
      const headers = { "docker-distribution-api-version": "registry/2.0" };
      if (request.headers.authorization !== right) basicGuard(request, response);
      else if (request.url === "/v2/") sendJson(response, {}, headers);
      else if (request.url.includes("/blobs/")) response.writeHead(307, { location: `${store.origin}/b?sig=1` }).end();
      else sendJson(response, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }, { "content-type": OCI_INDEX });
    });
    const credentials = (): Promise<{ username: string; password: string }> =>
      Promise.resolve({ username: "me", password: "pw" });
    const found = await registryCapabilities(referenceOf(server), { blob, subject, credentials, ...quick });
    expect(found).toEqual({
      host: server.host,
      scheme: "http",
      isRegistry: true,
      apiVersion: "registry/2.0",
      authentication: "basic",
      ranges: "partial",
      rangeStatus: 206,
      redirects: [store.origin],
      redirectLifeS: null,
      referrersApi: true,
    });
    expect(store.seen.map((request) => [request.headers.range, request.headers.authorization])).toEqual([
      ["bytes=0-1", undefined],
    ]);
    expect(server.seen).toHaveLength(4);
  });

  test("of one that knows neither ranges nor referrers", async () => {
    const server = await serve(cleanups, (request, response) => {
      if (request.url.includes("/blobs/")) response.end(bytes);
      else if (request.url === "/v2/") sendJson(response, {});
      else sendError(response, 404, "NOT_FOUND");
    });
    const found = await registryCapabilities(referenceOf(server), { blob, subject, ...quick });
    expect(found).toMatchObject({ authentication: "anonymous", ranges: "whole", redirects: [], referrersApi: false });
  });
});

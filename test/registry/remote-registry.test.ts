import { afterEach, describe, expect, test } from "vitest";
import { digestOf, type Digest } from "../../src/bytes/digest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-type.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { openRegistry, type RegistryOptions } from "../../src/registry/open-registry.ts";
import {
  answerManifest,
  artifactOf,
  failure,
  openFake,
  sendError,
  sendJson,
  serve,
  type Answer,
  type Cleanups,
  type Opened,
} from "./fake-registry.ts";

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const open = (answer: Answer, options?: RegistryOptions, tail?: string): Promise<Opened> =>
  openFake(cleanups, answer, { tail, ...options });

describe("opening", () => {
  test("one request for a tag, its manifest included, with every type accepted and no Range", async () => {
    const artifact = artifactOf("hello");
    const { server, registry, reference, counts } = await open((request, response) => {
      answerManifest(request, response, { v1: artifact });
    });
    const descriptor = await registry.resolve(reference);
    expect(descriptor).toEqual({
      mediaType: OCI_MANIFEST,
      digest: artifact.digest,
      size: artifact.bytes.length,
      annotations: {},
    });
    const manifest = await registry.manifest(descriptor);
    expect(manifest.kind === "manifest" && manifest.layers[0]?.digest).toBe(
      digestOf(new TextEncoder().encode("hello")),
    );
    expect(server.paths()).toEqual(["GET /v2/eo/scenes/manifests/v1"]);
    expect(counts).toEqual({ requests: ["manifest"], bytes: artifact.bytes.length, retries: 0 });
    const headers = server.seen[0]?.headers ?? {};
    expect(headers["range"]).toBeUndefined();
    expect(headers["authorization"]).toBeUndefined();
    expect(headers["accept"]).toContain(OCI_MANIFEST);
    expect(headers["accept"]).toContain(OCI_INDEX);
    expect(headers["accept"]).toContain("docker.distribution.manifest.list.v2");
  });

  test("by digest; and a manifest nobody resolved is one request however many ask at once", async () => {
    const artifact = artifactOf("x");
    const answer: Answer = (request, response) => void answerManifest(request, response, { v1: artifact });
    const { server, registry, reference } = await open(answer, {}, `@${artifact.digest}`);
    expect((await registry.resolve(reference)).digest).toBe(artifact.digest);
    const second = openRegistry(reference);
    cleanups.push(() => second.close());
    const descriptor = {
      mediaType: OCI_MANIFEST,
      digest: artifact.digest,
      size: artifact.bytes.length,
      annotations: {},
    };
    await Promise.all([second.manifest(descriptor), second.manifest(descriptor), second.manifest(descriptor)]);
    expect(server.paths()).toHaveLength(2);
    expect(server.seen[0]?.url).toBe(`/v2/eo/scenes/manifests/${artifact.digest}`);
  });

  test("a registry without the digest header", async () => {
    const artifact = artifactOf("x");
    const { registry, reference } = await open((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(artifact.bytes);
    });
    expect(await registry.resolve(reference)).toMatchObject({ digest: artifact.digest, mediaType: OCI_MANIFEST });
  });
});

describe("what is not believed", () => {
  const artifact = artifactOf("x");
  const other: Digest = digestOf(new Uint8Array([1]));
  const send =
    (bytes: Uint8Array, headers: Record<string, string> = {}): Answer =>
    (_request, response) =>
      void response.writeHead(200, { "content-type": OCI_MANIFEST, ...headers }).end(bytes);

  test("a digest header that lies, a manifest that is not what was asked for, a wrong size", async () => {
    const lying = await open(send(artifact.bytes, { "docker-content-digest": other }));
    expect((await failure(lying.registry.resolve(lying.reference))).code).toBe("verification");
    const swapped = await open(send(artifact.bytes), {}, `@${other}`);
    expect((await failure(swapped.registry.resolve(swapped.reference))).code).toBe("verification");
    const { registry } = await open(send(artifact.bytes));
    const descriptor = { mediaType: OCI_MANIFEST, digest: artifact.digest, size: 7, annotations: {} };
    expect((await failure(registry.manifest(descriptor))).code).toBe("verification");
  });

  test("a web page, an endless body, an unknown document", async () => {
    const page = await open(send(new TextEncoder().encode("<html>"), { "content-type": "text/html; charset=utf-8" }));
    const error = await failure(page.registry.resolve(page.reference));
    expect([error.code, error.message]).toEqual(["misbehaved", expect.stringContaining("web page")]);
    const endless = await open((_request, response) => {
      response.writeHead(200, { "content-type": OCI_MANIFEST });
      const more = (): void => {
        while (response.write(Buffer.alloc(1024 * 1024)));
        response.once("drain", more);
      };
      more();
    });
    expect((await failure(endless.registry.resolve(endless.reference))).message).toContain(
      "longer than 16777216 bytes",
    );
    expect(endless.counts.bytes).toBeLessThan(20 * 1024 * 1024);
    const strange = await open(send(new TextEncoder().encode('{"schemaVersion":1}')));
    expect((await failure(strange.registry.resolve(strange.reference))).code).toBe("malformed");
  });
});

describe("refusals", () => {
  test.each([
    [404, "NAME_UNKNOWN", "not-found", /has no repository eo\/scenes/],
    [404, "MANIFEST_UNKNOWN", "not-found", /has no tag v1/],
    [401, "UNAUTHORIZED", "credentials", /refuses the manifest of eo\/scenes:v1 with 401 \(UNAUTHORIZED\)/],
    [403, "DENIED", "credentials", /with 403 \(DENIED\)/],
    [400, "UNSUPPORTED", "misbehaved", /answers 400/],
  ])("%d %s is %s, in one request", async (status, code, expected, message) => {
    const { registry, reference, counts } = await open((_request, response) => sendError(response, status, code));
    const error = await failure(registry.resolve(reference));
    expect(error.code).toBe(expected);
    expect(error.message).toMatch(message);
    expect(counts.requests).toHaveLength(1);
    if (expected === "credentials") expect(error.hint).toContain("riffle login");
  });

  test("503 is tried again, four times at most, each counted", async () => {
    const artifact = artifactOf("x");
    let refusals = 2;
    const { registry, reference, counts } = await open((request, response) => {
      if ((refusals -= 1) >= 0) sendError(response, 503, "UNAVAILABLE");
      else answerManifest(request, response, { v1: artifact });
    });
    await registry.resolve(reference);
    expect([counts.requests.length, counts.retries]).toEqual([3, 2]);
    refusals = 100;
    expect((await failure(registry.resolve(reference))).code).toBe("misbehaved");
    expect([counts.requests.length, counts.retries]).toEqual([7, 5]);
  });

  test("429 waits as long as it is told, and gives up when that is longer than the limit", async () => {
    const waits: number[] = [];
    const sleep = (ms: number): Promise<void> => Promise.resolve(void waits.push(ms));
    const artifact = artifactOf("x");
    let wait = "7";
    let refusals = 1;
    const { registry, reference } = await open(
      (request, response) => {
        if ((refusals -= 1) >= 0) sendError(response, 429, "TOOMANYREQUESTS", { "retry-after": wait });
        else answerManifest(request, response, { v1: artifact });
      },
      { sleep },
    );
    await registry.resolve(reference);
    expect(waits).toEqual([7000]);
    wait = "3600";
    refusals = 1;
    const error = await failure(registry.resolve(reference));
    expect([error.code, error.message]).toEqual(["misbehaved", expect.stringContaining("429")]);
    expect(waits).toHaveLength(1);
  });

  test("nothing listens there: unreachable, and says so", async () => {
    const gone: Cleanups = [];
    const { host } = await serve(gone, () => {});
    await gone[0]?.();
    const reference = parseReference(`${host}/x`);
    const registry = openRegistry(reference, { sleep: () => Promise.resolve() });
    cleanups.push(() => registry.close());
    const error = await failure(registry.resolve(reference));
    expect([error.code, error.message]).toEqual(["unreachable", expect.stringContaining(`${host} refused`)]);
  });
});

describe("redirects of manifests", () => {
  test("are followed, relative ones with and foreign ones without credentials", async () => {
    const artifact = artifactOf("x");
    const foreign = await serve(cleanups, (_request, response) => {
      response.writeHead(200, { "content-type": OCI_MANIFEST }).end(artifact.bytes);
    });
    const { server, registry, reference } = await open(
      (request, response) => {
        if (request.headers.authorization === undefined)
          sendError(response, 401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="x"' });
        else if (request.url === "/moved") response.writeHead(307, { location: `${foreign.origin}/deep?sig=1` }).end();
        else response.writeHead(302, { location: "/moved" }).end();
      },
      { credentials: () => Promise.resolve({ username: "me", password: "secret" }) },
    );
    expect((await registry.resolve(reference)).digest).toBe(artifact.digest);
    expect(server.paths()).toEqual(["GET /v2/eo/scenes/manifests/v1", "GET /v2/eo/scenes/manifests/v1", "GET /moved"]);
    expect(server.seen[2]?.headers.authorization).toBeDefined();
    expect(foreign.seen.map((request) => request.headers.authorization)).toEqual([undefined]);
  });

  test("end after five hops", async () => {
    const { registry, reference, counts } = await open((_request, response) => {
      response.writeHead(302, { location: "/again" }).end();
    });
    expect((await failure(registry.resolve(reference))).code).toBe("misbehaved");
    expect(counts.requests).toHaveLength(6);
  });
});

test("tags, page after page", async () => {
  const { server, registry } = await open((request, response) => {
    const last = /last=(\w+)/.exec(request.url)?.[1];
    if (last === undefined) sendJson(response, { tags: ["a", "b"] }, { link: "<tags/list?last=b&n=2>; rel=next" });
    else sendJson(response, { tags: null });
  });
  const tags: string[] = [];
  for await (const tag of registry.tags()) tags.push(tag);
  expect(tags).toEqual(["a", "b"]);
  expect(server.seen.map((request) => request.url)).toEqual([
    "/v2/eo/scenes/tags/list?n=1000",
    "/v2/eo/scenes/tags/tags/list?last=b&n=2",
  ]);
});

describe("blobs", () => {
  test("are read by ranges from the registry's origin, data that a descriptor holds by none", async () => {
    const bytes = new TextEncoder().encode("0123456789");
    const { server, registry } = await open((request, response) => {
      const [, first = 0, last = 0] = (/bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? []).map(Number);
      response.writeHead(206, { "content-range": `bytes ${first}-${last}/${bytes.length}` });
      response.end(bytes.subarray(first, last + 1));
    });
    const descriptor = { mediaType: "text/plain", digest: digestOf(bytes), size: bytes.length, annotations: {} };
    const source = registry.blob(descriptor);
    expect(server.seen).toHaveLength(0);
    expect(Buffer.from(await source.read({ start: 3, end: 6 })).toString()).toBe("345");
    expect(server.paths()).toEqual([`GET /v2/eo/scenes/blobs/${descriptor.digest}`]);
    const held = registry.blob({ ...descriptor, data: bytes });
    expect(Buffer.from(await held.read({ start: 0, end: 99 })).toString()).toBe("0123456789");
    const pieces: [number, string][] = [];
    await held.stream(
      { start: 2, end: 4 },
      (offset, piece) => void pieces.push([offset, Buffer.from(piece).toString()]),
    );
    expect(pieces).toEqual([[2, "23"]]);
    expect(server.seen).toHaveLength(1);
  });
});

import { afterEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-type.ts";
import {
  answerManifest,
  documentOf,
  failure,
  openFake,
  sendError,
  sendJson,
  type Answer,
  type Cleanups,
  type Opened,
} from "./fake-registry.ts";

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
const open = (answer: Answer): Promise<Opened> => openFake(cleanups, answer);

describe("referrers", () => {
  const subject = digestOf(new Uint8Array([7]));
  const entry = (name: string, artifactType: string): Record<string, unknown> => {
    const bytes = new TextEncoder().encode(name);
    return { mediaType: OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length, artifactType };
  };
  const index = (...manifests: unknown[]): unknown => ({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });

  test("by the API, page after page, filtered here too, each once", async () => {
    const { server, registry } = await open((request, response) => {
      const headers = { "content-type": OCI_INDEX };
      if (request.url.includes("page=2")) sendJson(response, index(entry("a", "x/sig"), entry("c", "x/sig")), headers);
      else {
        const link = `</v2/eo/scenes/referrers/${subject}?page=2>; rel="next"`;
        sendJson(response, index(entry("a", "x/sig"), entry("b", "x/bom")), { ...headers, link });
      }
    });
    const found = await registry.referrers(subject, { artifactType: "x/sig" });
    expect(found.map((one) => one.artifactType)).toEqual(["x/sig", "x/sig"]);
    expect(server.seen.map((request) => request.url)).toEqual([
      `/v2/eo/scenes/referrers/${subject}?artifactType=x%2Fsig`,
      `/v2/eo/scenes/referrers/${subject}?page=2`,
    ]);
  });

  test.each<[string, Answer]>([
    ["404", (_request, response) => sendError(response, 404, "NOT_FOUND")],
    ["405", (_request, response) => sendError(response, 405, "UNSUPPORTED")],
    ["403", (_request, response) => sendError(response, 403, "DENIED")],
    [
      "303 to a website",
      (_request, response) => void response.writeHead(303, { location: "https://github.com/x" }).end(),
    ],
    ["a web page", (_request, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>")],
  ])("by the tag where the API answers %s, and the API is not asked again", async (_name, refuse) => {
    const listed = documentOf(index(entry("a", "x/sig")), OCI_INDEX);
    const { server, registry } = await open((request, response) => {
      const tag = subject.replace(":", "-");
      if (!answerManifest(request, response, { [tag]: listed })) refuse(request, response);
    });
    expect(await registry.referrers(subject)).toHaveLength(1);
    expect(await registry.referrers(subject, { artifactType: "x/none" })).toHaveLength(0);
    expect(server.paths().filter((path) => path.includes("/referrers/"))).toHaveLength(1);
  });

  test("neither API nor tag: none; a failing registry: an error, not none", async () => {
    const { registry } = await open((_request, response) => sendError(response, 404, "MANIFEST_UNKNOWN"));
    expect(await registry.referrers(subject)).toEqual([]);
    const broken = await open((_request, response) => sendError(response, 500, "UNKNOWN"));
    expect((await failure(broken.registry.referrers(subject))).code).toBe("misbehaved");
  });

  test("a next page at another place is refused", async () => {
    const { registry } = await open((_request, response) => {
      sendJson(response, index(), { "content-type": OCI_INDEX, link: '<http://127.0.0.1:1/x>; rel="next"' });
    });
    expect((await failure(registry.referrers(subject))).code).toBe("misbehaved");
  });
});

import { afterEach, expect, test } from "vitest";
import { parseMirrorAddress } from "../../src/oci/mirror-address.ts";
import { parseReference, type RegistryReference } from "../../src/oci/reference.ts";
import type { MirroredRegistry } from "../../src/registry/mirrored-registry.ts";
import { openMirrored } from "../../src/registry/open-mirrored.ts";
import type { RegistryOptions } from "../../src/registry/open-registry.ts";
import {
  answerManifest,
  artifactOf,
  failure,
  sendError,
  serve,
  type Answer,
  type Cleanups,
  type FakeServer,
} from "./fake-registry.ts";

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const right = artifactOf("right");
const wrong = artifactOf("wrong");

interface Opened {
  readonly mirrored: MirroredRegistry;
  readonly reference: RegistryReference;
  readonly upstream: FakeServer;
  readonly mirrors: readonly FakeServer[];
}

async function opened(
  answers: { readonly upstream: Answer; readonly mirrors: readonly Answer[]; readonly tail?: string },
  options: RegistryOptions = {},
): Promise<Opened> {
  const upstream = await serve(cleanups, answers.upstream);
  const mirrors = await Promise.all(answers.mirrors.map((answer) => serve(cleanups, answer)));
  const reference = parseReference(`${upstream.host}/eo/scenes${answers.tail ?? ":v1"}`);
  if (reference.kind !== "registry") throw new Error("not a registry");
  const mirrored = openMirrored(
    reference,
    mirrors.map(({ origin }) => ({ host: origin })),
    { random: () => 0, sleep: () => Promise.resolve(), ...options },
  );
  cleanups.push(() => mirrored.registry.close());
  return { mirrored, reference, upstream, mirrors };
}

const good: Answer = (request, response) =>
  void answerManifest({ ...request, url: request.url.split("?")[0] ?? "" }, response, { v1: right });
const status =
  (code: number): Answer =>
  (_request, response) =>
    sendError(response, code, "UNKNOWN");

test("a manifest that does not have its digest is refused, and its mirror left", async () => {
  const liar: Answer = (_request, response) => {
    response.writeHead(200, { "content-type": wrong.mediaType }).end(wrong.bytes);
  };
  const { mirrored, reference, mirrors } = await opened({
    upstream: good,
    mirrors: [liar],
    tail: `@${right.digest}`,
  });
  expect((await mirrored.registry.resolve(reference)).digest).toBe(right.digest);
  expect(mirrored.reports()).toMatchObject([{ state: "left" }]);
  await mirrored.registry.manifest({
    mediaType: right.mediaType,
    digest: right.digest,
    size: right.bytes.length,
    annotations: {},
  });
  expect(mirrors[0]?.seen).toHaveLength(1);
});

test.each([404, 429, 500, 503, 401, 403])("%i at a mirror is asked of the registry", async (code) => {
  const { mirrored, reference, upstream, mirrors } = await opened({ upstream: good, mirrors: [status(code)] });
  expect((await mirrored.registry.resolve(reference)).digest).toBe(right.digest);
  expect(mirrors[0]?.seen.length).toBeLessThanOrEqual(2);
  expect(upstream.seen).toHaveLength(1);
  expect(mirrors[0]?.seen[0]?.url).toBe(`/v2/eo/scenes/manifests/v1?ns=${encodeURIComponent(upstream.host)}`);
  expect(upstream.seen[0]?.url).toBe("/v2/eo/scenes/manifests/v1");
});

test("what the registry says is what is heard when all fail", async () => {
  const { mirrored, reference } = await opened({ upstream: status(404), mirrors: [status(500), status(403)] });
  expect(await failure(mirrored.registry.resolve(reference))).toMatchObject({ code: "not-found" });
});

test("a mirror that failed is passed over for a while, but asked when the registry fails too", async () => {
  let isUp = false;
  let ms = 0;
  const { mirrored, reference, upstream, mirrors } = await opened(
    {
      upstream: (request, response) => (isUp ? status(500)(request, response) : good(request, response)),
      mirrors: [(request, response) => (isUp ? good(request, response) : status(500)(request, response))],
    },
    { now: () => ms },
  );
  await mirrored.registry.resolve(reference);
  const asked = mirrors[0]?.seen.length;
  await mirrored.registry.resolve(reference);
  expect([mirrors[0]?.seen.length, upstream.seen.length]).toEqual([asked, 2]);
  isUp = true;
  expect((await mirrored.registry.resolve(reference)).digest).toBe(right.digest);
  expect(mirrored.reports()).toMatchObject([{ state: "answered" }]);
  isUp = false;
  ms = 31_000;
  await mirrored.registry.resolve(reference);
  expect(mirrored.reports()).toMatchObject([{ state: "failed" }]);
});

test.each([
  ["https://h:5000", { host: "h:5000", scheme: "https", prefix: "" }],
  ["HTTP://H/", { host: "h", scheme: "http", prefix: "" }],
  ["[::1]:5000/a/b", { host: "[::1]:5000", prefix: "a/b/" }],
  ["http://u:p@h", undefined],
  ["ftp://h", undefined],
  ["https://h?x=1", undefined],
  ["", undefined],
])("%s as the address of a mirror", (text, address) => expect(parseMirrorAddress(text)).toEqual(address));

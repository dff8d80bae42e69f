import { expect, test } from "vitest";
import type { StreamingSource } from "../../src/bytes/source.ts";
import type { BlobHabits } from "../../src/fetch/location.ts";
import { anonymous } from "../support/counting-meter.ts";
import type { Seen } from "../support/range-server.ts";
import { blobOf, raw, serve, slice } from "../support/served-blob.ts";

test("a redirect is followed without credentials, and its target asked directly until it expires", async () => {
  let nowMs = Date.parse("2026-01-01T00:00:00Z");
  const store = await serve();
  const registry = await serve({
    handle: (seen) =>
      raw(seen, 307, { location: `http://${store.url.host}/data?X-Amz-Date=20260101T000000Z&X-Amz-Expires=600` }),
  });
  const authorizer = { ...anonymous, headers: async () => ({ authorization: "Bearer word" }) };
  const blob = blobOf(registry, { authorizer, now: () => nowMs });
  for (let start = 0; start < 3; start++) await blob.read({ start, end: 1000 });
  expect(registry.seen.map((seen) => seen.authorization)).toEqual(["Bearer word"]);
  expect(store.seen.map((seen) => seen.authorization)).toEqual([undefined, undefined, undefined]);
  nowMs += 596_000;
  await blob.read({ start: 0, end: 10 });
  expect(registry.seen).toHaveLength(2);
});

const bursts: readonly { readonly registry: string; readonly habits: BlobHabits; readonly asked: number }[] = [
  { registry: "that redirects", habits: { givesRanges: false }, asked: 1 },
  { registry: "not known yet", habits: { givesRanges: undefined }, asked: 8 },
];

test.each(bursts)("readers that start together ask a registry $registry $asked times", async ({ habits, asked }) => {
  const store = await serve();
  const registry = await serve({
    latencyMs: 5,
    handle: (seen) => raw(seen, 302, { location: `http://${store.url.host}/data` }),
  });
  const burst = async (blob: StreamingSource): Promise<void> => {
    await Promise.all(Array.from({ length: 8 }, (_, i) => blob.read({ start: i * 1000, end: i * 1000 + 10 })));
  };
  await burst(blobOf(registry, { habits }));
  expect([registry.seen.length, store.seen.length]).toEqual([asked, 8]);
  // What the first blob taught serves the next.
  await burst(blobOf(registry, { habits }));
  expect([registry.seen.length, store.seen.length]).toEqual([asked + 1, 16]);
});

test("a registry that gives ranges itself is not waited for: the first reads of a blob go out together", async () => {
  const held: Seen[] = [];
  // Answers nobody before all have asked.
  const registry = await serve({
    handle: (seen) => {
      held.push(seen);
      if (held.length === 8) for (const one of held) one.serve();
    },
  });
  const blob = blobOf(registry, { habits: { givesRanges: true } });
  await Promise.all(Array.from({ length: 8 }, (_, i) => blob.read({ start: i * 1000, end: i * 1000 + 10 })));
  expect(registry.seen).toHaveLength(8);
});

test("a relative redirect keeps the registry's credentials", async () => {
  const server = await serve({
    handle: (seen) => (seen.url.startsWith("/v2/") ? raw(seen, 301, { location: "/downloads/x" }) : seen.serve()),
  });
  const blob = blobOf(server, {
    authorizer: { ...anonymous, headers: async () => ({ authorization: "Bearer word" }) },
  });
  expect(await blob.read({ start: 0, end: 10 })).toEqual(slice({ start: 0, end: 10 }));
  expect(server.seen.map((seen) => [seen.url, seen.authorization])).toEqual([
    ["/v2/a/blobs/sha256:x", "Bearer word"],
    ["/downloads/x", "Bearer word"],
  ]);
});

test("redirects without end are refused", async () => {
  const server = await serve({ handle: (seen, index) => raw(seen, 308, { location: `/${index}` }) });
  await expect(blobOf(server).read({ start: 0, end: 1 })).rejects.toMatchObject({ code: "misbehaved" });
  expect(server.seen).toHaveLength(6);
});

test.each([400, 401, 403])("a %i from the place redirected to asks the registry again, once", async (status) => {
  let isStale = false;
  const store = await serve({
    handle: (seen) => (isStale && seen.url === "/1" ? raw(seen, status, {}) : seen.serve()),
  });
  const registry = await serve({
    handle: (seen, index) => raw(seen, 307, { location: `http://${store.url.host}/${index + 1}` }),
  });
  const blob = blobOf(registry);
  await blob.read({ start: 0, end: 10 });
  isStale = true;
  expect(await blob.read({ start: 10, end: 20 })).toEqual(slice({ start: 10, end: 20 }));
  expect(store.seen.map((seen) => seen.url)).toEqual(["/1", "/1", "/2"]);
  expect(registry.seen).toHaveLength(2);
});

test("a place that always refuses is an error after one renewal", async () => {
  const store = await serve({ handle: (seen) => raw(seen, 403, {}) });
  const registry = await serve({ handle: (seen) => raw(seen, 307, { location: `http://${store.url.host}/` }) });
  await expect(blobOf(registry).read({ start: 0, end: 1 })).rejects.toMatchObject({
    code: "credentials",
    facts: { status: 403 },
  });
  expect([registry.seen.length, store.seen.length]).toEqual([2, 2]);
});

test("a 401 of the registry goes to the authorizer once", async () => {
  let word = "old";
  let challenges = 0;
  const server = await serve({
    handle: (seen) => (seen.authorization === "new" ? seen.serve() : raw(seen, 401, { "www-authenticate": "Bearer" })),
  });
  const authorizer = {
    headers: async () => ({ authorization: word }),
    challenged: async () => {
      challenges += 1;
      word = challenges === 1 ? "new" : "worse";
      return true;
    },
  };
  const blob = blobOf(server, { authorizer });
  expect(await blob.read({ start: 3, end: 9 })).toEqual(slice({ start: 3, end: 9 }));
  word = "old";
  await expect(blob.read({ start: 3, end: 9 })).rejects.toMatchObject({ code: "credentials" });
  expect([challenges, server.seen.length]).toEqual([2, 4]);
});

test("no secret of a signed URL gets into an error", async () => {
  const store = await serve({ handle: (seen) => raw(seen, 500, {}) });
  const registry = await serve({
    handle: (seen) => raw(seen, 307, { location: `http://${store.url.host}/x?sig=SECRET` }),
  });
  const error = await blobOf(registry)
    .read({ start: 0, end: 1 })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "misbehaved" });
  expect(JSON.stringify([String(error), (error as { facts: unknown }).facts])).not.toContain("SECRET");
});

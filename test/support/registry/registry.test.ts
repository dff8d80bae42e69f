import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { buildArtifact, manyFiles, pushArtifact, putArtifact } from "../artifacts.ts";
import { contentDigest, noise } from "../content.ts";
import type { RegistryOptions } from "./options.ts";
import { startRegistry, type RegistryHandle } from "./server.ts";

const open: RegistryHandle[] = [];
const begin = async (options: RegistryOptions = {}): Promise<RegistryHandle> => {
  const registry = await startRegistry(options);
  open.push(registry);
  return registry;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((registry) => registry.close()));
});

const PLACE = { repository: "a/b", tag: "v1" };
const FILE = { title: "x.bin", content: { kind: "noise", seed: 3, size: 300_000 } } as const;
const get = (url: string, headers: Record<string, string> = {}, init: RequestInit = {}): Promise<Response> =>
  fetch(url, { ...init, headers });
const bytesOf = async (response: Response): Promise<Uint8Array> => new Uint8Array(await response.arrayBuffer());

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a.buffer, a.byteOffset, a.length).equals(b);

test("any slice of noise is the same as that slice of the whole", () => {
  const whole = noise(5, { start: 0, end: 50_000 });
  for (const [start, end] of [
    [0, 1],
    [4095, 4097],
    [12_345, 49_999],
  ] as const)
    expect(same(noise(5, { start, end }), whole.slice(start, end))).toBe(true);
  expect(noise(6, { start: 8, end: 100 })).not.toEqual(whole.slice(8, 100));
  expect(noise(5, { start: 2 ** 40, end: 2 ** 40 + 8 })[4]).toBe(0);
  expect(noise(5, { start: 2 ** 45, end: 2 ** 45 + 8 })[4]).toBe(2);
});

describe("pull", () => {
  test.each([
    ["bytes=0-9", 206, 0, 10, "bytes 0-9/300000"],
    ["bytes=299990-", 206, 299_990, 300_000, "bytes 299990-299999/300000"],
    ["bytes=-5", 206, 299_995, 300_000, "bytes 299995-299999/300000"],
    ["bytes=299999-400000", 206, 299_999, 300_000, "bytes 299999-299999/300000"],
    ["bytes=9-3", 200, 0, 300_000, null],
    ["lines=1-2", 200, 0, 300_000, null],
  ] as const)("%s answers %i", async (range, status, first, end, contentRange) => {
    const registry = await begin();
    const { layers } = await putArtifact(registry, PLACE, { files: [FILE] });
    const response = await get(`${registry.url}/v2/a/b/blobs/${layers[0]?.digest}`, { Range: range });
    expect(response.status).toBe(status);
    expect(response.headers.get("content-range")).toBe(contentRange);
    expect(response.headers.get("docker-content-digest")).toBe(layers[0]?.digest);
    expect(same(await bytesOf(response), noise(3, { start: first, end }))).toBe(true);
    const counters = await registry.counters();
    expect(counters.kinds.blob).toEqual({ requests: 1, bytes: end - first });
  });

  test("a range behind the end is 416 with the size; ranges: false sends everything", async () => {
    const registry = await begin();
    const { layers } = await putArtifact(registry, PLACE, { files: [FILE] });
    const url = `${registry.url}/v2/a/b/blobs/${layers[0]?.digest}`;
    const refused = await get(url, { Range: "bytes=300000-" });
    expect([refused.status, refused.headers.get("content-range")]).toEqual([416, "bytes */300000"]);
    await registry.configure({ ranges: false });
    const whole = await get(url, { Range: "bytes=0-9" });
    expect([whole.status, (await bytesOf(whole)).length]).toEqual([200, 300_000]);
  });

  test("manifests by tag and digest, HEAD, tags in pages, and 404s", async () => {
    const registry = await begin({ tagPage: 1 });
    const { descriptor, manifest } = await putArtifact(registry, PLACE, { files: [FILE] });
    await putArtifact(registry, { repository: "a/b", tag: "v2" }, { files: [FILE] });
    const base = `${registry.url}/v2/a/b`;
    const byTag = await get(`${base}/manifests/v1`);
    expect(Buffer.from(await bytesOf(byTag)).equals(manifest)).toBe(true);
    expect(byTag.headers.get("docker-content-digest")).toBe(descriptor.digest);
    const head = await get(`${base}/manifests/${descriptor.digest}`, {}, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(manifest.length)]);
    const page = await get(`${base}/tags/list`);
    expect(await page.json()).toEqual({ name: "a/b", tags: ["v1"] });
    expect(page.headers.get("link")).toBe('</v2/a/b/tags/list?n=1&last=v1>; rel="next"');
    expect((await get(`${base}/manifests/v9`)).status).toBe(404);
    expect((await get(`${base}/blobs/sha256:${"0".repeat(64)}`)).status).toBe(404);
  });

  test("referrers by subject and type; referrers: false is 404", async () => {
    const registry = await begin();
    const subject = await putArtifact(registry, PLACE, { files: [FILE] });
    const note = await putArtifact(
      registry,
      { repository: "a/b", tag: "note" },
      { files: [], artifactType: "application/x-note", subject: subject.descriptor, annotations: { why: "test" } },
    );
    const url = `${registry.url}/v2/a/b/referrers/${subject.descriptor.digest}`;
    expect(await (await get(url)).json()).toMatchObject({
      manifests: [{ digest: note.descriptor.digest, artifactType: "application/x-note", annotations: { why: "test" } }],
    });
    const filtered = await get(`${url}?artifactType=a/b`);
    expect(filtered.headers.get("oci-filters-applied")).toBe("artifactType");
    expect(await filtered.json()).toMatchObject({ manifests: [] });
    await registry.configure({ referrers: false });
    expect((await get(url)).status).toBe(404);
  });
});

describe("redirects", () => {
  test("the target takes a signed address without credentials, until it expires", async () => {
    const registry = await begin({ redirect: { expiresMs: 60_000 } });
    const { layers } = await putArtifact(registry, PLACE, { files: [FILE] });
    const url = `${registry.url}/v2/a/b/blobs/${layers[0]?.digest}`;
    const hop = await get(url, {}, { redirect: "manual" });
    const target = hop.headers.get("location") ?? "";
    expect(hop.status).toBe(307);
    expect(new URL(target).port).not.toBe(new URL(url).port);
    expect(await bytesOf(await get(target, { Range: "bytes=7-8" }))).toEqual(noise(3, { start: 7, end: 9 }));
    expect((await get(target, { Authorization: "Bearer x" })).status).toBe(400);
    expect((await get(target.replace(/.$/, (last) => (last === "0" ? "1" : "0")))).status).toBe(403);
    await registry.configure({ redirect: { expiresMs: -1 } });
    const late = await get(url, {}, { redirect: "manual" });
    expect((await get(late.headers.get("location") ?? "")).status).toBe(403);
    const counters = await registry.counters();
    expect([counters.leaks, counters.redirects, counters.kinds.blob.requests]).toEqual([1, 2, 6]);
    expect((await registry.records()).map(({ status }) => status)).toEqual([307, 206, 400, 403, 307, 403]);
  });
});

describe("credentials", () => {
  test("basic", async () => {
    const registry = await begin({ auth: { kind: "basic", username: "u", password: "p" } });
    const refused = await get(`${registry.url}/v2/`);
    expect([refused.status, refused.headers.get("www-authenticate")?.split(" ")[0]]).toEqual([401, "Basic"]);
    const header = { Authorization: `Basic ${Buffer.from("u:p").toString("base64")}` };
    expect((await get(`${registry.url}/v2/`, header)).status).toBe(200);
  });

  test("bearer: scope, expiry and revocation", async () => {
    const registry = await begin({ auth: { kind: "bearer" } });
    await putArtifact(registry, PLACE, { files: [FILE] });
    const url = `${registry.url}/v2/a/b/manifests/v1`;
    const [, realm, scope] =
      /realm="([^"]+)".*scope="([^"]+)"/.exec((await get(url)).headers.get("www-authenticate") ?? "") ?? [];
    expect(scope).toBe("repository:a/b:pull");
    const fresh = async (wanted: string): Promise<Record<string, string>> => {
      // the shape is what this test is about
      const answer = (await (await get(`${realm}?service=riffle-test&scope=${wanted}`)).json()) as { token: string };
      return { Authorization: `Bearer ${answer.token}` };
    };
    const token = await fresh(scope ?? "");
    expect((await get(url, token)).status).toBe(200);
    expect((await get(url, await fresh("repository:other:pull"))).status).toBe(401);
    await registry.configure({}, { revoke: true });
    expect((await get(url, token)).status).toBe(401);
    await registry.configure({ auth: { kind: "bearer", tokenMs: -1 } });
    expect((await get(url, await fresh(scope ?? ""))).status).toBe(401);
  });
});

describe("push", () => {
  test.each([false, true])("by POST and PUT (in a directory: %s), and still there after a restart", async (onDisk) => {
    const directory = onDisk ? mkdtempSync(join(tmpdir(), "riffle-registry-")) : undefined;
    try {
      const registry = await begin(directory === undefined ? {} : { directory });
      const artifact = await buildArtifact(manyFiles(3, 10_000));
      await pushArtifact(registry.url, artifact, PLACE);
      const back = directory === undefined ? registry : await begin({ directory });
      const manifest = await bytesOf(await get(`${back.url}/v2/a/b/manifests/v1`));
      expect(Buffer.from(manifest).equals(artifact.manifest)).toBe(true);
      const blob = await bytesOf(await get(`${back.url}/v2/a/b/blobs/${artifact.layers[1]?.digest}`));
      expect(blob).toEqual(noise(1001, { start: 0, end: 10_000 }));
    } finally {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
    }
  });

  test("bytes of another digest are refused", async () => {
    const registry = await begin();
    const opened = await get(`${registry.url}/v2/a/b/blobs/uploads/`, {}, { method: "POST" });
    const location = `${registry.url}${opened.headers.get("location")}?digest=sha256:${"0".repeat(64)}`;
    expect((await get(location, {}, { method: "PUT", body: "x" })).status).toBe(400);
  });
});

test("noise of a known size has the digest of its bytes", async () => {
  const bytes = noise(9, { start: 0, end: 123_456 });
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  expect(await contentDigest({ kind: "noise", seed: 9, size: 123_456 })).toBe(digest);
});

const took = async (work: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
};

test("the pace holds on one connection and over all of them", async () => {
  const registry = await begin({ ratePerConnection: 10e6 });
  const { layers } = await putArtifact(registry, PLACE, { files: [FILE] });
  const url = `${registry.url}/v2/a/b/blobs/${layers[0]?.digest}`;
  const load = async (): Promise<number> => (await bytesOf(await get(url))).length;
  // a lower bound only: a busy machine may be slower, never faster
  expect(await took(load)).toBeGreaterThan(27);
  await registry.configure({ ratePerConnection: 0, totalRate: 20e6, latencyMs: 5 });
  expect(await took(() => Promise.all([load(), load(), load(), load()]))).toBeGreaterThan(55);
  expect((await registry.counters()).maxConcurrent).toBe(4);
});

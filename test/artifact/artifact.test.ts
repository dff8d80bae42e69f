import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Artifact } from "../../src/artifact/artifact.ts";
import { openArtifact, type OpenOptions } from "../../src/artifact/open-artifact.ts";
import { buildArtifact, buildIndex, putArtifact, seedArtifact } from "../support/artifacts.ts";
import { patternBytes } from "../support/pattern.ts";
import { startRegistry, type RegistryHandle } from "../support/registry/server.ts";

const MIB = 1024 * 1024;
let registry: RegistryHandle;
let cacheDir: string;
const opened: Artifact[] = [];

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await registry.close();
});
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), "riffle-artifact-"));
  await registry.configure({});
  return async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((artifact) => artifact.close()));
    await rm(cacheDir, { recursive: true, force: true });
  };
});

const bytesOf = (size: number, seed: number): Uint8Array => patternBytes(seed, 0, size);
const content = (bytes: Uint8Array): { readonly kind: "bytes"; readonly bytes: Uint8Array } => ({
  kind: "bytes",
  bytes,
});

async function open(reference: string, options: OpenOptions = {}): Promise<Artifact> {
  const artifact = await openArtifact(reference, { cacheDir, ...options });
  opened.push(artifact);
  return artifact;
}

async function put(name: string, files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const { reference } = await putArtifact(
    registry,
    { repository: `t/${name}`, tag: "v1" },
    { files: Object.entries(files).map(([title, bytes]) => ({ title, content: content(bytes) })) },
  );
  await registry.reset();
  return reference;
}

describe("opening", () => {
  test("an artifact costs one request and no blob byte, and is pinned", async () => {
    const artifact = await open(await put("open", { "b.bin": bytesOf(10, 1), "a/c.txt": bytesOf(5, 2) }));
    expect([...artifact.entries()].map(({ path, type, size }) => [path, type, size])).toEqual([
      ["a", "directory", 0],
      ["a/c.txt", "file", 5],
      ["b.bin", "file", 10],
    ]);
    expect(artifact.reference).toBe(`${registry.host}/t/open@${artifact.digest}`);
    const counters = await registry.counters();
    expect(counters.requests).toBe(1);
    expect(counters.kinds.blob.requests).toBe(0);
    expect(artifact.stats()).toMatchObject({ files: 2, size: 15, requests: 1, reads: 0, amplification: null });
  });

  test("a tag that moves changes nothing under an open artifact", async () => {
    const reference = await put("moving", { "x.bin": bytesOf(100, 1) });
    const artifact = await open(reference);
    await put("moving", { "x.bin": bytesOf(100, 9) });
    expect(await artifact.file("x.bin").bytes()).toEqual(bytesOf(100, 1));
    expect(await (await open(reference)).file("x.bin").bytes()).toEqual(bytesOf(100, 9));
  });

  test("a missing tag, path or platform is not found", async () => {
    const reference = await put("missing", { "x.bin": bytesOf(1, 1) });
    await expect(open(`${reference}-not`)).rejects.toMatchObject({ code: "not-found" });
    const artifact = await open(reference);
    expect(() => artifact.file("y.bin")).toThrow(expect.objectContaining({ code: "not-found" }));
    expect(artifact.entry("y.bin")).toBeUndefined();
    expect(() => artifact.file("")).toThrow(expect.objectContaining({ code: "usage" }));
  });

  test("an index without platforms shows every entry in a directory of its own", async () => {
    const [one, two] = await Promise.all([
      buildArtifact({ files: [{ title: "x.bin", content: content(bytesOf(7, 1)) }] }),
      buildArtifact({ files: [{ title: "x.bin", content: content(bytesOf(9, 2)) }] }),
    ]);
    await Promise.all(
      [one, two].map((built, i) => seedArtifact(registry, { repository: "t/index", tag: `e${i}` }, built)),
    );
    const index = buildIndex([
      { ...one.descriptor, annotations: { "org.opencontainers.image.ref.name": "first" } },
      two.descriptor,
    ]);
    await registry.addManifest("t/index", { mediaType: index.descriptor.mediaType, bytes: index.bytes, tag: "all" });
    const artifact = await open(`${registry.host}/t/index:all`);
    const second = `sha256-${two.descriptor.digest.slice(7, 19)}`;
    expect([...artifact.entries()].map((entry) => entry.path).sort()).toEqual(
      ["first", "first/x.bin", second, `${second}/x.bin`].sort(),
    );
    expect(await artifact.file(`${second}/x.bin`).bytes()).toEqual(bytesOf(9, 2));
  });

  test("an index with platforms shows the chosen entry, pinned to that entry's digest", async () => {
    const built = await buildArtifact({ files: [{ title: "arm.bin", content: content(bytesOf(3, 1)) }] });
    await seedArtifact(registry, { repository: "t/platforms", tag: "arm" }, built);
    const index = buildIndex([{ ...built.descriptor, platform: { os: "linux", architecture: "arm64" } }]);
    await registry.addManifest("t/platforms", {
      mediaType: index.descriptor.mediaType,
      bytes: index.bytes,
      tag: "all",
    });
    const artifact = await open(`${registry.host}/t/platforms:all`, { platform: "linux/arm64" });
    expect(artifact.digest).toBe(built.descriptor.digest);
    await expect(open(`${registry.host}/t/platforms:all`, { platform: "plan9/386" })).rejects.toMatchObject({
      code: "not-found",
      hint: expect.stringContaining("linux/arm64"),
    });
  });
});

test("an index that leads to itself, or too deep, is refused", async () => {
  let inner = (await buildArtifact({ files: [] })).descriptor;
  for (let depth = 0; depth < 6; depth += 1) {
    const index = buildIndex([{ ...inner, platform: { os: "linux", architecture: "arm64" } }]);
    await registry.addManifest("t/deep", { mediaType: index.descriptor.mediaType, bytes: index.bytes, tag: "top" });
    inner = index.descriptor;
  }
  await expect(open(`${registry.host}/t/deep:top`, { platform: "linux/arm64" })).rejects.toMatchObject({
    code: "malformed",
    message: expect.stringContaining("deep"),
  });
});

describe("reading", () => {
  test("a range costs its pages, and a second read costs nothing", async () => {
    const bytes = bytesOf(MIB, 3);
    const artifact = await open(await put("range", { "x.bin": bytes }));
    const range = { start: 300_000, end: 365_536 };
    expect(await artifact.file("x.bin").read(range)).toEqual(bytes.slice(range.start, range.end));
    expect(await artifact.file("x.bin").read(range)).toEqual(bytes.slice(range.start, range.end));
    const { kinds } = await registry.counters();
    expect(kinds.blob).toEqual({ requests: 1, bytes: 17 * 4096 });
    expect(artifact.stats()).toMatchObject({
      reads: 2,
      bytesRead: 2 * 65_536,
      bytesFromCache: 65_536,
      requestsByKind: { manifest: 1, blob: 1 },
      bytesFetchedByKind: { blob: 17 * 4096 },
      bytesVerified: 0,
    });
  });

  test("the same digest under another name and artifact is read from the cache", async () => {
    const bytes = bytesOf(50_000, 4);
    const first = await open(await put("same1", { "x.bin": bytes }));
    await first.file("x.bin").bytes();
    const second = await open(await put("same2", { "other.bin": bytes }));
    expect(await second.file("other.bin").bytes()).toEqual(bytes);
    expect((await registry.counters()).kinds.blob.requests).toBe(0);
    expect(second.stats().bytesFromCache).toBe(50_000);
  });

  test("without a cache directory everything works from memory", async () => {
    const bytes = bytesOf(200_000, 5);
    const artifact = await openArtifact(await put("memory", { "x.bin": bytes }));
    opened.push(artifact);
    expect(await artifact.file("x.bin").bytes()).toEqual(bytes);
    expect(await artifact.file("x.bin").bytes()).toEqual(bytes);
    expect((await registry.counters()).kinds.blob.requests).toBe(1);
  });

  test("streaming gives the file in order, with no byte fetched twice", async () => {
    const bytes = bytesOf(5 * MIB + 123, 6);
    const artifact = await open(await put("stream", { "x.bin": bytes }));
    const pieces: Uint8Array[] = [];
    for await (const piece of artifact.file("x.bin").stream()) pieces.push(piece);
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    expect((await registry.counters()).kinds.blob.bytes).toBe(bytes.length);
  });

  test("a whole blob is proven, and its later reads count as verified", async () => {
    const bytes = bytesOf(100_000, 7);
    const artifact = await open(await put("proof", { "x.bin": bytes }));
    const { served } = artifact;
    const row = served.tree.lookup(0, Buffer.from("x.bin"));
    const proof = (): string => Buffer.from(served.liveXattr(row, "user.oci.verified") ?? []).toString();
    expect(served.open(row, 1)).toEqual({ kind: "direct" });
    expect(proof()).toBe("transport");
    await artifact.file("x.bin").bytes();
    await expect.poll(proof, { timeout: 10_000 }).toBe("full");
    expect(served.open(row, 2)).toMatchObject({ kind: "backed", fd: expect.any(Number) });
    served.release(row, 1);
    served.release(row, 2);
    expect(artifact.stats().bytesVerified).toBe(0);
    await artifact.file("x.bin").bytes();
    expect(artifact.stats().bytesVerified).toBe(100_000);
  });

  test("a blob that does not have its digest is fetched once more, then refused, and never kept", async () => {
    const bytes = bytesOf(40_000, 8);
    const wrong = bytes.slice();
    wrong[777] = (wrong[777] ?? 0) ^ 1;
    const built = await buildArtifact({ files: [{ title: "x.bin", content: content(bytes) }] });
    const reference = await seedArtifact(registry, { repository: "t/wrong", tag: "v1" }, built);
    await registry.addBlob(built.layers[0]?.digest ?? "", content(wrong));
    const artifact = await open(reference);
    const read = (): Promise<Uint8Array> => artifact.file("x.bin").bytes();
    // Bytes of one request cannot be told from right ones before the whole is there: they are `transport` bytes.
    const first = await read();
    expect(first).toEqual(wrong);
    await expect.poll(() => artifact.stats().errors, { timeout: 10_000 }).toBe(1);
    await read();
    await expect.poll(() => artifact.stats().errors, { timeout: 10_000 }).toBe(2);
    await expect(read()).rejects.toMatchObject({ code: "verification" });
    expect(artifact.stats().bytesVerified).toBe(0);
    expect(artifact.errors()).toMatch(/do not have that digest/);
  });

  test("a failed read says why, and a later one tries anew", async () => {
    const bytes = bytesOf(10_000, 11);
    const built = await buildArtifact({ files: [{ title: "x.bin", content: content(bytes) }] });
    const reference = await seedArtifact(registry, { repository: "t/gone", tag: "v1" }, built);
    const digest = built.layers[0]?.digest ?? "";
    await registry.addBlob(digest, content(bytes.slice(0, 5000)));
    const artifact = await open(reference);
    await expect(artifact.file("x.bin").bytes()).rejects.toMatchObject({
      code: "verification",
      message: expect.stringMatching(/shorter than its descriptor/),
    });
    expect(artifact.errors()).toMatch(/x\.bin: .*shorter/);
    await registry.addBlob(digest, content(bytes));
    expect(await artifact.file("x.bin").bytes()).toEqual(bytes);
  });

  test("an aborted read ends alone", async () => {
    await registry.configure({ latencyMs: 100 });
    const bytes = bytesOf(100_000, 12);
    const artifact = await open(await put("abort", { "x.bin": bytes }));
    const controller = new AbortController();
    const one = artifact.file("x.bin").read({ start: 0, end: 4096 }, { signal: controller.signal });
    const two = artifact.file("x.bin").read({ start: 0, end: 4096 });
    controller.abort();
    await expect(one).rejects.toMatchObject({ code: "aborted" });
    expect(await two).toEqual(bytes.slice(0, 4096));
    expect(artifact.stats().errors).toBe(0);
  });
});

describe("the hidden directory", () => {
  test("metadata is there by name, unlisted, and live files count nowhere", async () => {
    const artifact = await open(await put("oci", { "x.bin": bytesOf(10, 1) }));
    const text = async (path: string): Promise<string> => Buffer.from(await artifact.file(path).bytes()).toString();
    expect([...artifact.entries()].map((entry) => entry.path)).toEqual(["x.bin"]);
    expect([...artifact.entries(".oci")].map((entry) => entry.path)).toContain(".oci/manifest.json");
    expect(await text(".oci/reference")).toContain(artifact.reference);
    expect(JSON.parse(await text(".oci/manifest.json"))).toMatchObject({ schemaVersion: 2 });
    const before = artifact.stats().reads;
    expect(JSON.parse(await text(".oci/stats.json"))).toMatchObject({ reads: before, digest: artifact.digest });
    expect(await text(".oci/errors")).toBe("");
    expect(artifact.stats().reads).toBe(before);
    const digest = artifact.entry("x.bin")?.digest ?? "";
    expect(await artifact.file(`.oci/layers/${digest}`).bytes()).toEqual(bytesOf(10, 1));
  });
});

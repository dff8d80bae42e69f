import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Artifact } from "../../src/artifact/artifact.ts";
import { openArtifact, type OpenOptions } from "../../src/artifact/open-artifact.ts";
import type { ListingProgress } from "../../src/artifact/unpack-layers.ts";
import { isFile } from "../../src/layers/tree-paths.ts";
import { putArtifact } from "../support/artifacts.ts";
import { patternBytes } from "../support/pattern.ts";
import { startRegistry, type RegistryHandle } from "../support/registry/server.ts";
import { tarFile } from "../support/tar-file.ts";

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
  cacheDir = await mkdtemp(join(tmpdir(), "riffle-unpack-"));
  await registry.configure({});
  return async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((artifact) => artifact.close()));
    await rm(cacheDir, { recursive: true, force: true });
  };
});

async function open(reference: string, options: OpenOptions = {}): Promise<Artifact> {
  const artifact = await openArtifact(reference, { cacheDir, unpack: "all", ...options });
  opened.push(artifact);
  return artifact;
}

async function put(name: string, files: Readonly<Record<string, Uint8Array>>, mediaType?: string): Promise<string> {
  const { reference } = await putArtifact(
    registry,
    { repository: `t/${name}`, tag: "v1" },
    {
      files: Object.entries(files).map(([title, bytes]) => {
        return { title, content: { kind: "bytes", bytes }, ...(mediaType === undefined ? {} : { mediaType }) };
      }),
    },
  );
  await registry.reset();
  return reference;
}

const paths = (artifact: Artifact): readonly string[] => [...artifact.entries()].map(({ path }) => path);
const sum = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const many = (count: number, bytes: number): Uint8Array =>
  tarFile(
    ...Array.from({ length: count }, (_, at) => ({
      name: `f${at}.bin`,
      content: patternBytes(at, 0, bytes),
      mode: 0o640,
    })),
  );

describe("--unpack all", () => {
  test("a tar layer is a directory of its name; a file of it costs its headers and itself", async () => {
    const reference = await put("one", { "d/a.tar": many(40, 500_000), "readme.txt": Buffer.from("hello") });
    const artifact = await open(reference);
    const { blob: listing } = (await registry.counters()).kinds;
    expect(listing.requests).toBeLessThanOrEqual(40 + 4);
    expect(listing.bytes).toBeLessThanOrEqual(50 * 4096);
    expect(paths(artifact)).toHaveLength(43);
    expect(artifact.entry("d/a.tar/f7.bin")).toMatchObject({ type: "file", size: 500_000, mode: 0o640, mtime: 7 });
    expect(artifact.unpacked).toMatchObject([{ path: "d/a.tar", members: 40, omitted: 0 }]);
    expect(sum(await artifact.file("d/a.tar/f7.bin").bytes())).toBe(sum(patternBytes(7, 0, 500_000)));
    const { blob } = (await registry.counters()).kinds;
    expect(blob.bytes - listing.bytes).toBeLessThanOrEqual(500_000 + 8192);
    expect(blob.requests - listing.requests).toBeLessThanOrEqual(3);
  });

  test("a second opening reads no header", async () => {
    const reference = await put("again", { "a.tar": many(30, 200_000) });
    await (await open(reference)).close();
    await registry.reset();
    const artifact = await open(reference);
    expect(paths(artifact)).toHaveLength(31);
    expect((await registry.counters()).kinds.blob).toMatchObject({ requests: 0, bytes: 0 });
  });

  test("auto and none leave layers as they are, and look into none", async () => {
    const reference = await put("none", { "a.tar": many(3, 1000) });
    for (const unpack of ["auto", "none", undefined] as const) {
      const artifact = await openArtifact(reference, { cacheDir, ...(unpack === undefined ? {} : { unpack }) });
      opened.push(artifact);
      expect(paths(artifact)).toEqual(["a.tar"]);
    }
    expect((await registry.counters()).kinds.blob.requests).toBe(0);
  });

  test("what cannot be unpacked stays a file that can be read, with the reason", async () => {
    const bad = Buffer.from(many(3, 1000));
    bad[1536 + 148] = 0x39;
    const reference = await put("kept", { "a.tgz": gzipSync(many(1, 100)), "b.tar": bad, "c.bin": Buffer.alloc(4096) });
    const artifact = await open(reference);
    expect(paths(artifact)).toEqual(["a.tgz", "b.tar", "c.bin"]);
    expect(artifact.warnings.map(({ original, name, reason }) => [original, name, reason])).toEqual([
      ["a.tgz", "a.tgz", "stays a file: gzip layers cannot be unpacked yet"],
      [
        "b.tar",
        "b.tar",
        "stays a file: not a sound tar archive: it has a header whose checksum does not hold, at byte 1536",
      ],
    ]);
    expect(sum(await artifact.file("b.tar").bytes())).toBe(sum(bad));
  });

  test("content decides, not the media type; equal layers are listed once and shown twice", async () => {
    const tar = tarFile({ name: "x", content: Buffer.from("one") }, { name: "y", type: "1", link: "x" });
    const reference = await put("same", { "a.parquet": tar, "b.parquet": tar }, "application/vnd.apache.parquet");
    const artifact = await open(reference);
    expect(paths(artifact)).toEqual([
      "a.parquet",
      "a.parquet/x",
      "a.parquet/y",
      "b.parquet",
      "b.parquet/x",
      "b.parquet/y",
    ]);
    expect((await registry.counters()).kinds.blob.requests).toBeLessThanOrEqual(2);
    const { tree } = artifact.served;
    const linked = Array.from({ length: tree.rows }, (_, row) => row).filter(
      (row) => isFile(tree, row) && tree.nlink(row) === 2,
    );
    expect(linked).toHaveLength(4);
    const inodes = new Set(linked.map((row) => tree.link(row)));
    expect(inodes.size).toBe(2);
    for (const path of ["a.parquet/y", "b.parquet/y"])
      expect(Buffer.from(await artifact.file(path).bytes()).toString()).toBe("one");
  });

  test("include, exclude and subpath see members", async () => {
    const reference = await put("view", { "a.tar": many(12, 100), "b.tar": many(2, 50) });
    expect(paths(await open(reference, { include: ["f1*"] }))).toEqual([
      "a.tar",
      "a.tar/f1.bin",
      "a.tar/f10.bin",
      "a.tar/f11.bin",
      "b.tar",
      "b.tar/f1.bin",
    ]);
    expect(paths(await open(reference, { subpath: "b.tar" }))).toEqual(["f0.bin", "f1.bin"]);
  });

  test("many layers, with progress; a registry that fails fails the opening", async () => {
    const layers = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`${at}.tar`, many(4, 10_000 + at)]));
    const reference = await put("many", layers);
    const seen: ListingProgress[] = [];
    const artifact = await open(reference, { onListing: (progress) => seen.push(progress) });
    expect(artifact.unpacked).toHaveLength(30);
    expect((await registry.counters()).kinds.blob.requests).toBeLessThanOrEqual(3 * 30);
    expect(seen.at(-1)).toMatchObject({ layers: 30, layersDone: 30 });
    expect(seen.at(-1)?.bytesDone).toBe(seen.at(-1)?.bytes);
    const stop = new AbortController();
    stop.abort();
    await expect(open(reference, { signal: stop.signal, cacheDir: `${cacheDir}-no` })).rejects.toMatchObject({
      code: "aborted",
    });
  });
});

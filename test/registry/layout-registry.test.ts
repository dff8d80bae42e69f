import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestHex, digestOf, isDigest, type Digest } from "../../src/bytes/digest.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-type.ts";
import { parseReference } from "../../src/oci/reference.ts";
import { openRegistry } from "../../src/registry/open-registry.ts";
import type { Registry } from "../../src/registry/registry.ts";
import { temporaryFolder } from "../support/certificates.ts";
import { FIXTURES } from "../support/fixtures.ts";
import { artifactOf, documentOf, EMPTY, failure, type Cleanups, type Document } from "./fake-registry.ts";

const cleanups: Cleanups = [];
let folder = "";
beforeEach(() => {
  folder = temporaryFolder(cleanups);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const open = (directory: string): Registry => openRegistry(parseReference(`oci:${directory}`));

interface Entry {
  readonly document: Document;
  readonly tag?: string;
}

function putBlob(bytes: Uint8Array): Digest {
  const digest = digestOf(bytes);
  mkdirSync(join(folder, "blobs/sha256"), { recursive: true });
  writeFileSync(join(folder, "blobs/sha256", digestHex(digest)), bytes);
  return digest;
}

function writeLayout(entries: readonly Entry[], version = "1.0.0"): void {
  writeFileSync(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: version }));
  const manifests = entries.map(({ document, tag }) => {
    putBlob(document.bytes);
    const annotations = tag === undefined ? {} : { "org.opencontainers.image.ref.name": tag };
    return { mediaType: document.mediaType, digest: document.digest, size: document.bytes.length, annotations };
  });
  writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
}

describe("a layout", () => {
  const one = artifactOf("one");
  const two = artifactOf("two");

  test("is read by tag, by digest, by a digest that no entry names; its tags are listed", async () => {
    const inner = documentOf({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY, layers: [] }, OCI_MANIFEST);
    putBlob(inner.bytes);
    const entry = { mediaType: OCI_MANIFEST, digest: inner.digest, size: inner.bytes.length };
    const index = documentOf({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] }, OCI_INDEX);
    writeLayout([{ document: one, tag: "v1" }, { document: two }, { document: index, tag: "docker.io/x/y:1" }]);
    const registry = open(folder);
    const tagged = await registry.resolve(parseReference(`oci:${folder}:v1`));
    expect(tagged).toMatchObject({ digest: one.digest, size: one.bytes.length, mediaType: OCI_MANIFEST });
    expect((await registry.manifest(tagged)).kind).toBe("manifest");
    const named = await registry.resolve(parseReference(`oci:${folder}:docker.io/x/y:1`));
    const outer = await registry.manifest(named);
    expect(outer.kind === "index" && outer.manifests[0]?.digest).toBe(inner.digest);
    const nested = await registry.resolve(parseReference(`oci:${folder}@${inner.digest}`));
    expect(nested).toMatchObject({ digest: inner.digest, mediaType: OCI_MANIFEST, size: inner.bytes.length });
    const tags: string[] = [];
    for await (const tag of registry.tags()) tags.push(tag);
    expect(tags).toEqual(["v1", "docker.io/x/y:1"]);
  });

  test("of one entry without a name is what `oci:DIR` means; otherwise the tags are told", async () => {
    writeLayout([{ document: one }]);
    expect((await open(folder).resolve(parseReference(`oci:${folder}`))).digest).toBe(one.digest);
    writeLayout([
      { document: one, tag: "v1" },
      { document: two, tag: "v2" },
    ]);
    const error = await failure(open(folder).resolve(parseReference(`oci:${folder}`)));
    expect([error.code, error.hint]).toEqual(["not-found", "there are v1, v2"]);
  });

  test("gives blobs by range, by stream, and as a file", async () => {
    writeLayout([{ document: one, tag: "v1" }]);
    const bytes = new Uint8Array(9_000_000).map((_, at) => at % 251);
    const descriptor = { mediaType: "x/y", digest: putBlob(bytes), size: bytes.length, annotations: {} };
    const source = open(folder).blob(descriptor);
    expect([source.id, source.size]).toEqual([descriptor.digest, bytes.length]);
    const [a, b, c] = await source.readMany([
      { start: 5, end: 9 },
      { start: 8_999_999, end: 30_000_000 },
      { start: 7, end: 7 },
    ]);
    expect([[...(a ?? [])], [...(b ?? [])], c?.length]).toEqual([[5, 6, 7, 8], [bytes[8_999_999]], 0]);
    let next = 1_000_000;
    await source.stream({ start: next, end: 8_900_000 }, (offset, piece) => {
      expect(offset).toBe(next);
      next += piece.length;
    });
    expect(next).toBe(8_900_000);
    expect(readFileSync(open(folder).blobPath?.(descriptor) ?? "").length).toBe(bytes.length);
    expect((await failure(source.read({ start: -1, end: 2 }))).code).toBe("usage");
  });

  test("is not left through links, and a blob of a wrong size or none at all is an error", async () => {
    writeLayout([{ document: one, tag: "v1" }]);
    const outside = temporaryFolder(cleanups);
    const secret = new TextEncoder().encode("root:x:0:0");
    writeFileSync(join(outside, "passwd"), secret);
    const descriptor: Descriptor = { mediaType: "x/y", digest: digestOf(secret), size: secret.length, annotations: {} };
    symlinkSync(join(outside, "passwd"), join(folder, "blobs/sha256", digestHex(descriptor.digest)));
    const registry = open(folder);
    const read = registry.blob(descriptor).read({ start: 0, end: 4 });
    expect((await failure(read)).code).toBe("verification");
    expect(() => registry.blobPath?.(descriptor)).toThrow(/leads out of its layout/);
    const short = { ...descriptor, digest: putBlob(new Uint8Array(3)), size: 4 };
    expect((await failure(registry.blob(short).read({ start: 0, end: 4 }))).code).toBe("verification");
    expect(() => registry.blobPath?.(short)).toThrow(/has 3 bytes, not 4/);
    const gone = { ...descriptor, digest: digestOf(new Uint8Array([9])) };
    expect((await failure(registry.blob(gone).read({ start: 0, end: 1 }))).code).toBe("not-found");
    expect(() => registry.blobPath?.(gone)).toThrow(/has no blob/);
  });

  test("whose manifest was changed is refused", async () => {
    writeLayout([{ document: one, tag: "v1" }]);
    const path = join(folder, "blobs/sha256", digestHex(one.digest));
    writeFileSync(path, readFileSync(path, "utf8").replace("text/plain", "text/plaim"));
    const registry = open(folder);
    const descriptor = await registry.resolve(parseReference(`oci:${folder}:v1`));
    expect((await failure(registry.manifest(descriptor))).code).toBe("verification");
  });
});

test("no directory, a file, no layout, an unknown version, a broken index", async () => {
  const resolve = (directory: string): Promise<unknown> =>
    open(directory).resolve(parseReference(`oci:${directory}:v1`));
  expect((await failure(resolve(join(folder, "none")))).code).toBe("not-found");
  writeFileSync(join(folder, "file"), "");
  expect((await failure(resolve(join(folder, "file")))).message).toContain("is not a directory");
  expect((await failure(resolve(folder))).message).toContain("no oci-layout");
  writeLayout([], "2.0.0");
  expect((await failure(resolve(folder))).message).toContain("version");
  writeLayout([]);
  rmSync(join(folder, "index.json"));
  expect((await failure(resolve(folder))).message).toContain("no index.json");
  writeFileSync(join(folder, "index.json"), "[");
  expect((await failure(resolve(folder))).code).toBe("malformed");
});

interface ExpectedLayout {
  readonly references: Readonly<
    Record<string, { readonly digest: string; readonly mediaType: string; readonly size: number }>
  >;
  readonly referrers: Readonly<
    Record<string, readonly { readonly digest: string; readonly artifactType: string | null }[]>
  >;
}

describe.skipIf(FIXTURES === undefined)("layouts of oras (skipped: no fixtures folder)", () => {
  const root = FIXTURES ?? "";
  const expected = (name: string): ExpectedLayout => {
    const all = JSON.parse(readFileSync(join(root, "expected.json"), "utf8")) as {
      files: Record<string, ExpectedLayout>;
    };
    return all.files[name] ?? { references: {}, referrers: {} };
  };

  test.each(["oras/artifacts", "oras/images", "oras/blobs"])("%s", async (name) => {
    const directory = join(root, name);
    const { references, referrers } = expected(name);
    const registry = open(directory);
    for (const [reference, facts] of Object.entries(references)) {
      const text = isDigest(reference) ? `oci:${directory}@${reference}` : `oci:${directory}:${reference}`;
      const descriptor = await registry.resolve(parseReference(text));
      expect(descriptor).toMatchObject(facts);
      expect((await registry.manifest(descriptor)).mediaType).toBe(facts.mediaType);
    }
    for (const [subject, list] of Object.entries(referrers)) {
      if (!isDigest(subject)) throw new Error(subject);
      const found = await registry.referrers(subject);
      const plain = found.map((one) => ({ digest: one.digest, artifactType: one.artifactType ?? null }));
      const order = (a: { readonly digest: string }, b: { readonly digest: string }): number =>
        a.digest < b.digest ? -1 : 1;
      expect(plain.sort(order)).toEqual(list.map(({ digest, artifactType }) => ({ digest, artifactType })).sort(order));
    }
  });
});

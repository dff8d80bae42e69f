import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { isRiffleError, type RiffleError } from "../../src/errors.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import type { Manifest } from "../../src/oci/manifest.ts";
import { DOCKER_LIST, DOCKER_MANIFEST, mediaTypeExtension, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-type.ts";
import { MAX_DOCUMENT_BYTES } from "../../src/oci/parse-json.ts";
import { parseManifest } from "../../src/oci/parse-manifest.ts";
import { FIXTURES } from "../support/fixtures.ts";

const encode = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const empty = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(encode("{}")), size: 2 };
const layer = { mediaType: "application/octet-stream", digest: digestOf(encode("x")), size: 1 };
const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: empty, layers: [layer] };
const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...layer, mediaType: OCI_MANIFEST }] };

function parse(value: unknown, mediaType = ""): Manifest {
  const bytes = value instanceof Uint8Array ? value : encode(value);
  const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length, annotations: {} };
  return parseManifest(bytes, descriptor);
}

function refusal(value: unknown, mediaType = ""): RiffleError {
  try {
    parse(value, mediaType);
  } catch (error) {
    if (isRiffleError(error)) return error;
    throw error;
  }
  throw new Error("it was taken");
}

describe("what is read", () => {
  test("an OCI manifest with everything", () => {
    const manifest = parse({
      ...image,
      artifactType: "application/x.test",
      annotations: { a: "b" },
      subject: layer,
      layers: [{ ...layer, annotations: { "org.opencontainers.image.title": "x" }, urls: ["http://127.0.0.1/"] }],
    });
    expect(manifest).toMatchObject({ kind: "manifest", mediaType: OCI_MANIFEST, artifactType: "application/x.test" });
    expect(manifest.annotations).toEqual({ a: "b" });
    expect(manifest.subject?.digest).toBe(layer.digest);
    expect(manifest.kind === "manifest" && manifest.layers[0]).toEqual({
      ...layer,
      annotations: { "org.opencontainers.image.title": "x" },
    });
  });

  test("an index with platforms, Docker twins, and documents that leave their type to the header or to their shape", () => {
    const platform = { os: "linux", architecture: "arm", variant: "v7", "os.version": "1" };
    const read = parse({ ...index, manifests: [{ ...layer, platform }] });
    expect(read.kind === "index" && read.manifests[0]?.platform).toEqual({
      os: "linux",
      architecture: "arm",
      variant: "v7",
    });
    expect(parse({ ...image, mediaType: DOCKER_MANIFEST }).kind).toBe("manifest");
    expect(parse({ ...index, mediaType: DOCKER_LIST }).kind).toBe("index");
    const { mediaType: _one, ...bare } = image;
    expect(parse(bare, `${OCI_MANIFEST}; charset=utf-8`).mediaType).toBe(OCI_MANIFEST);
    expect(parse(bare, "application/json").mediaType).toBe(OCI_MANIFEST);
    const { mediaType: _two, ...bareIndex } = index;
    expect(parse(bareIndex).mediaType).toBe(OCI_INDEX);
  });

  test("null where Go writes an empty list or map", () => {
    const read = parse({ ...image, layers: null, annotations: null, subject: null });
    expect(read.kind === "manifest" && read.layers).toEqual([]);
    expect(parse({ ...index, manifests: null })).toMatchObject({ kind: "index", manifests: [] });
  });

  test("embedded data is decoded and proven", () => {
    const read = parse({ ...image, config: { ...empty, data: "e30=" } });
    expect(read.kind === "manifest" && read.config.data).toEqual(encode("{}"));
    expect(refusal({ ...image, config: { ...empty, data: "e3s=" } }).code).toBe("verification");
    expect(refusal({ ...image, config: { ...empty, data: "e30" } }).message).toMatch(/base64/);
    expect(refusal({ ...image, config: { ...empty, size: 3, data: "e30=" } }).message).toMatch(/has 2 bytes, not 3/);
  });

  test("twenty thousand layers, each with a title", () => {
    const layers = Array.from({ length: 20_000 }, (_, number) => ({
      ...layer,
      annotations: { "org.opencontainers.image.title": `../data/pastis/${number}.tar` },
    }));
    const read = parse({ ...image, layers });
    expect(read.kind === "manifest" && read.layers.length).toBe(20_000);
  });

  test("an annotation named __proto__ is an annotation", () => {
    const read = parse(JSON.stringify(image).replace("{", '{"annotations":{"__proto__":"x"},'));
    expect(Object.entries(read.annotations)).toEqual([["__proto__", "x"]]);
    expect(({} as { x?: string }).x).toBeUndefined();
  });
});

describe("what is refused, with one clause", () => {
  const withSize = (size: unknown): unknown => ({ ...image, layers: [{ ...layer, size }] });
  test.each([
    ["a web page", "<!DOCTYPE html><html>sign in</html>", /web page/],
    ["a web page after blanks", "\n  <html>", /web page/],
    ["nothing", "", /is empty/],
    ["no JSON", "{", /not JSON/],
    ["bytes that are not UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), /not JSON/],
    ["a list", "[]", /not a JSON object/],
    ["a deep document", "[".repeat(100_000), /nested deeper/],
    ["a bomb of lists", `[${"[],".repeat(1_100_000)}[]]`, /more than 1000000 objects/],
    ["too many bytes", new Uint8Array(MAX_DOCUMENT_BYTES + 1), /more than the 16777216/],
    ["an unknown type", { ...image, mediaType: "application/x" }, /unknown type: application\/x/],
    ["no type at all", { schemaVersion: 2 }, /says nowhere/],
    ["schema version 3", { ...image, schemaVersion: 3 }, /schema version 2/],
    ["Docker schema 1", { schemaVersion: 1, fsLayers: [] }, /Docker schema 1/],
    ["an OCI artifact manifest", { mediaType: "application/vnd.oci.artifact.manifest.v1+json" }, /withdrawn/],
    ["an ORAS artifact manifest", { mediaType: "application/vnd.cncf.oras.artifact.manifest.v1+json" }, /ORAS/],
    ["an index that is a manifest", { ...image, mediaType: OCI_INDEX }, /is an index and has config/],
    ["a manifest that is an index", { ...index, mediaType: OCI_MANIFEST }, /is a manifest and has manifests/],
    ["both at once", { ...image, manifests: [] }, /has manifests/],
    ["an index without entries member", { schemaVersion: 2, mediaType: OCI_INDEX }, /has no manifests/],
    ["layers that are no list", { ...image, layers: {} }, /layers that are not a list/],
    ["no config", { ...image, config: undefined }, /config of the manifest is not a descriptor/],
    ["a layer that is text", { ...image, layers: ["x"] }, /layer 1 of the manifest is not a descriptor/],
    ["no size", withSize(undefined), /layer 1 of the manifest has no size/],
    ["a size in words", withSize("12"), /size that is a string/],
    ["a negative size", withSize(-1), /negative size/],
    ["half a byte", withSize(1.5), /no file can have/],
    ["an unsafe size", withSize(2 ** 53), /no file can have/],
    ["an infinite size", JSON.stringify(withSize(7)).replace('"size":7', '"size":1e400'), /no file can have/],
    ["a short digest", { ...image, layers: [{ ...layer, digest: "sha256:abcd" }] }, /digest of layer 1/],
    ["an unknown digest", { ...image, layers: [{ ...layer, digest: `md5:${"0".repeat(32)}` }] }, /digest of layer 1/],
    ["a number as digest", { ...image, layers: [{ ...layer, digest: 5 }] }, /digest of layer 1/],
    ["no media type", { ...image, layers: [{ ...layer, mediaType: "" }] }, /no media type/],
    ["annotations in a list", { ...image, annotations: [] }, /annotations that are not an object/],
    ["an annotation that is a number", { ...image, annotations: { a: 1 } }, /annotation that is not text: a/],
    ["a platform in words", { ...index, manifests: [{ ...layer, platform: "linux" }] }, /platform that is not/],
    ["an artifact type in numbers", { ...image, artifactType: 7 }, /artifactType that is not text/],
  ])("%s", (_name, value, why) => {
    const error = refusal(value);
    expect(error.code).toBe("malformed");
    expect(error.message).toMatch(why);
    expect(error.message).not.toMatch(/\n/);
  });

  test("announced as one kind, served as the other", () => {
    expect(refusal(image, OCI_INDEX).message).toMatch(/announced as an index/);
    expect(refusal(index, DOCKER_MANIFEST).message).toMatch(/announced as a manifest/);
  });
});

test("fuzz: any JSON, and any damaged manifest, is read or refused as malformed", () => {
  const text = JSON.stringify({ ...image, annotations: { a: "b" }, subject: layer });
  const damaged = fc
    .tuple(fc.nat(text.length - 1), fc.constantFrom("", "null", "-1", '"', "{", "[]", "1e999", "\u0000"), fc.nat(12))
    .map(([at, insert, cut]) => text.slice(0, at) + insert + text.slice(at + cut));
  fc.assert(
    fc.property(fc.oneof(fc.json(), damaged), fc.constantFrom("", OCI_INDEX, OCI_MANIFEST), (document, type) => {
      try {
        return parse(document, type).descriptor.size >= 0;
      } catch (error) {
        return isRiffleError(error) && (error.code === "malformed" || error.code === "verification");
      }
    }),
    { numRuns: 1500 },
  );
});

test.each([
  ["application/vnd.oci.image.layer.v1.tar", ".tar"],
  ["application/vnd.oci.image.layer.v1.tar+gzip", ".tar.gz"],
  ["application/vnd.oci.image.layer.v1.tar+zstd", ".tar.zst"],
  ["application/vnd.docker.image.rootfs.diff.tar.gzip", ".tar.gz"],
  ["image/tiff; application=geotiff; profile=cloud-optimized", ".tif"],
  ["application/vnd.apache.parquet", ".parquet"],
  ["application/vnd.stacpkg.items.v1.parquet", ".parquet"],
  ["application/vnd.stacpkg.files.v1+zip", ".zip"],
  ["application/geo+json", ".geojson"],
  ["application/vnd.oci.image.config.v1+json", ".json"],
  ["application/vnd.cncf.model.weight.v1.tar+zstd", ".tar.zst"],
  ["application/octet-stream", ""],
  ["application/vnd.stacpkg.asset.v1", ""],
  ["constructor", ""],
])("the extension of %s is %s", (mediaType, extension) => {
  expect(mediaTypeExtension(mediaType)).toBe(extension);
});

interface Expected {
  readonly files: Readonly<
    Record<string, { readonly format: string; readonly outcome: string; readonly why?: string }>
  >;
}

describe.skipIf(FIXTURES === undefined)("public documents (skipped: no fixtures folder)", () => {
  const folder = FIXTURES ?? "";
  const expected =
    FIXTURES === undefined ? {} : (JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Expected).files;
  const documents = Object.entries(expected).filter(([, facts]) => facts.format === "oci-document");

  test("there are some", () => expect(documents.length).toBeGreaterThan(5));

  // An index of indexes is a sound document; the walk through it is bounded (MAX_INDEX_DEPTH).
  test.each(documents.filter(([path]) => !path.includes("self-index")))("%s", (path, facts) => {
    const bytes = new Uint8Array(readFileSync(join(folder, path)));
    if (facts.outcome === "read") expect(parse(bytes).kind).toBe("manifest");
    else expect(refusal(bytes).code).toBe("malformed");
  });

  test("the specification's own index is read; what lies in self-index is no manifest", () => {
    const spec = parse(new Uint8Array(readFileSync(join(folder, "image-spec/image-index.2.json"))));
    expect(spec.kind === "index" && spec.manifests.map((entry) => entry.platform?.architecture)).toEqual([
      "ppc64le",
      undefined,
    ]);
    const self = parse(new Uint8Array(readFileSync(join(folder, "made/oci/self-index.json"))));
    expect(self.kind).toBe("index");
    expect(refusal("{}", OCI_INDEX).message).toMatch(/schema version/);
  });

  test.each(["net-monitor-image-signature", "net-monitor-image-sbom", "oci-image-artifact"])(
    "%s is refused by name",
    (name) => {
      expect(refusal(new Uint8Array(readFileSync(join(folder, `artifacts-spec/${name}.json`)))).message).toMatch(
        /ORAS/,
      );
    },
  );
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { digestOf, type Digest } from "../../src/bytes/digest.ts";
import { parseTimestamp } from "../../src/layers/created.ts";
import { buildPlannedTree, planTree, type IndexEntry, type TreePlan } from "../../src/layers/plain-layers.ts";
import { NONE, ROW_LIVE, type Row, type TreeTable } from "../../src/layers/tree.ts";
import { listable, pathOf, resolvePath, treeTotals, walk } from "../../src/layers/tree-paths.ts";
import { verifyTree } from "../../src/layers/tree-verify.ts";
import type { ImageManifest, IndexManifest } from "../../src/oci/manifest.ts";
import { parseManifest } from "../../src/oci/parse-manifest.ts";
import { FIXTURES } from "../support/fixtures.ts";

const OCI = "application/vnd.oci.image";
const CREATED = "org.opencontainers.image.created";
const REFERENCE = `localhost:5000/a@sha256:${"0".repeat(64)}`;

interface LayerJson {
  readonly title?: string;
  readonly seed?: string;
  readonly type?: string;
  readonly size?: number;
  readonly data?: string;
  readonly annotations?: Record<string, string>;
}

function layerJson({ title, seed, type, size, data, annotations }: LayerJson): Record<string, unknown> {
  const content = data === undefined ? (seed ?? title ?? "") : Buffer.from(data, "base64");
  return {
    mediaType: type ?? "application/octet-stream",
    digest: digestOf(Buffer.from(content)),
    size: data === undefined ? (size ?? 5) : content.length,
    ...(data === undefined ? {} : { data }),
    annotations: { ...(title === undefined ? {} : { "org.opencontainers.image.title": title }), ...annotations },
  };
}

function parsed(document: unknown, mediaType: string): ReturnType<typeof parseManifest> {
  const bytes = new Uint8Array(Buffer.from(JSON.stringify(document)));
  return parseManifest(bytes, { mediaType, digest: digestOf(bytes), size: bytes.length, annotations: {} });
}

function manifest(layers: readonly LayerJson[], annotations: Record<string, string> = {}): ImageManifest {
  const mediaType = `${OCI}.manifest.v1+json`;
  const config = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(Buffer.from("{}")), size: 2 };
  const document = {
    schemaVersion: 2,
    mediaType,
    config,
    layers: layers.map((layer) => layerJson(layer)),
    annotations,
  };
  const result = parsed(document, mediaType);
  if (result.kind !== "manifest") throw new Error("no manifest");
  return result;
}

function tree(plan: TreePlan): TreeTable {
  return verifyTree(buildPlannedTree(plan));
}
const at = (table: TreeTable, path: string): Row => resolvePath(table, path) ?? NONE;
const seen = (table: TreeTable): string[] => Array.from(walk(table), (row) => pathOf(table, row));
const names = (table: TreeTable, path: string): string[] =>
  Array.from(listable(table, at(table, path)), (row) => Buffer.from(table.name(row)).toString());

describe("an artifact of plain layers", () => {
  const artifact = manifest(
    [
      { title: "data/one.tif", size: 700, annotations: { [CREATED]: "2020-01-01T00:00:00Z", "eo:band": "B04" } },
      { title: "../two.csv", size: 9, annotations: { [CREATED]: "yesterday" } },
      { seed: "nameless", type: "image/tiff; application=geotiff", size: 3 },
      { title: "bad\\name", seed: "bad", size: 4 },
      { title: "copy.tif", seed: "data/one.tif", size: 700 },
      { title: "small", data: Buffer.from("hello").toString("base64") },
    ],
    { [CREATED]: "2021-01-01T00:00:00+01:00", note: "é" },
  );
  const plan = planTree(artifact, { reference: REFERENCE });
  const table = tree(plan);
  const nameless = `sha256-${digestOf(Buffer.from("nameless")).slice(7, 19)}.tif`;
  const text = (path: string): string => {
    const source = plan.sources[table.source(at(table, path))];
    return source?.kind === "inline" ? Buffer.from(source.bytes).toString() : `not inline: ${path}`;
  };

  test("has each layer as a file", () => {
    expect(seen(table)).toEqual(["copy.tif", "data", "data/one.tif", nameless, "small", "two.csv"]);
    expect(treeTotals(table)).toEqual({ files: 5, directories: 1, size: 1417 });
    expect(plan.sources[table.source(at(table, "data/one.tif"))]).toEqual({
      kind: "blob",
      descriptor: artifact.layers[0],
    });
  });

  test("gives modes, and times of the layer, else of the manifest", () => {
    const manifestTime = Date.UTC(2020, 11, 31, 23) / 1000;
    expect(table.mode(at(table, "data/one.tif")).toString(8)).toBe("100444");
    expect(table.mode(at(table, "data")).toString(8)).toBe("40555");
    expect(table.mtime(at(table, "data/one.tif"))).toBe(Date.UTC(2020, 0, 1) / 1000);
    for (const path of ["two.csv", nameless, "data", ".oci", ".oci/reference"]) {
      expect(table.mtime(at(table, path))).toBe(manifestTime);
    }
    expect(tree(planTree(manifest([{ title: "a" }]), { reference: REFERENCE })).mtime(1)).toBe(0);
  });

  test("warns once of each name changed and each layer left out", () => {
    expect(plan.warnings).toEqual([
      {
        layer: artifact.layers[1]?.digest,
        original: "../two.csv",
        name: "two.csv",
        reason: "is not a plain relative path",
      },
      { layer: artifact.layers[3]?.digest, original: "bad\\\\name", name: undefined, reason: "holds a backslash" },
    ]);
  });

  test("has .oci, hidden, with every blob once, those left out too", () => {
    expect(names(table, ".oci")).toEqual([
      "annotations.json",
      "config.json",
      "errors",
      "layers",
      "manifest.json",
      "reference",
      "stats.json",
    ]);
    const digests = new Set<Digest>(artifact.layers.map((layer) => layer.digest));
    expect(names(table, ".oci/layers")).toEqual([...digests].toSorted());
    expect(table.source(at(table, `.oci/layers/${artifact.layers[0]?.digest}`))).toBe(
      table.source(at(table, "data/one.tif")),
    );
    expect(text(".oci/manifest.json")).toBe(Buffer.from(artifact.bytes).toString());
    expect(text(".oci/reference")).toBe(`${REFERENCE}\n`);
    expect(JSON.parse(text(".oci/annotations.json"))).toEqual(artifact.annotations);
    expect(table.size(at(table, ".oci/manifest.json"))).toBe(artifact.bytes.length);
  });

  test("live files are marked, and nothing else", () => {
    const live = Array.from({ length: table.rows }, (_, row) => row).filter((row) => table.flags(row) & ROW_LIVE);
    expect(live.map((row) => pathOf(table, row))).toEqual([".oci/errors", ".oci/stats.json"]);
    expect(live.map((row) => plan.sources[table.source(row)])).toEqual([
      { kind: "live", name: "errors" },
      { kind: "live", name: "stats.json" },
    ]);
  });

  test("needs no request for what the manifest holds, or the digest tells", () => {
    expect(text("small")).toBe("hello");
    expect(text(".oci/config.json")).toBe("{}");
  });

  test("carries digest, media type and annotations as attributes; live ones are listed only", () => {
    const list = Buffer.from(table.xattrNames(at(table, "data/one.tif")))
      .toString()
      .split("\0");
    expect(list).toEqual([
      "user.oci.digest",
      "user.oci.mediatype",
      "user.oci.verified",
      "user.oci.cached",
      "user.oci.annotation.org.opencontainers.image.title",
      `user.oci.annotation.${CREATED}`,
      "user.oci.annotation.eo:band",
      "",
    ]);
    const value = (path: string, name: string): string | undefined => {
      const bytes = table.xattr(at(table, path), name);
      return bytes === undefined ? undefined : Buffer.from(bytes).toString();
    };
    expect(value("data/one.tif", "user.oci.digest")).toBe(artifact.layers[0]?.digest);
    expect(value("data/one.tif", "user.oci.annotation.eo:band")).toBe("B04");
    expect(value("data/one.tif", "user.oci.verified")).toBeUndefined();
    // One content, two layers: each file has the annotations of its own.
    expect(value("copy.tif", "user.oci.digest")).toBe(artifact.layers[0]?.digest);
    expect(value("copy.tif", "user.oci.annotation.eo:band")).toBeUndefined();
    expect(table.xattrNames(at(table, ".oci/stats.json"))).toHaveLength(0);
    expect(table.xattrNames(at(table, "data"))).toHaveLength(0);
  });

  test("the same documents give the same table", () => {
    const again = buildPlannedTree(planTree(artifact, { reference: REFERENCE }));
    expect(Buffer.from(new Uint8Array(again)).equals(Buffer.from(new Uint8Array(table.buffer)))).toBe(true);
  });
});

test("attributes that Linux could not give are left out", () => {
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`key-${i}-${"x".repeat(200)}`, "v"]));
  const layers = [
    {
      title: "a",
      annotations: { ["k".repeat(236)]: "v", big: "x".repeat(65_537), fits: "x".repeat(65_536), "a\0b": "v" },
    },
    { title: "b", annotations: many },
  ];
  const table = tree(planTree(manifest(layers), { reference: REFERENCE }));
  const list = Buffer.from(table.xattrNames(at(table, "a")))
    .toString()
    .split("\0");
  expect(list.slice(4)).toEqual(["user.oci.annotation.org.opencontainers.image.title", "user.oci.annotation.fits", ""]);
  const length = table.xattrNames(at(table, "b")).length;
  expect(length).toBeLessThanOrEqual(65_536);
  expect(length).toBeGreaterThan(65_000);
});

test("an index without platforms: a directory for each entry", () => {
  const inner = [
    manifest([{ title: "x" }, { title: ".oci/y" }]),
    manifest([{ title: "x", seed: "other" }]),
    manifest([]),
  ];
  const name = (value: string): Record<string, string> => ({ "org.opencontainers.image.ref.name": value });
  const annotations = [name("v1"), name("../v1"), {}];
  const mediaType = `${OCI}.index.v1+json`;
  const manifests = inner.map(({ descriptor }, i) => ({ ...descriptor, annotations: annotations[i] }));
  const index = parsed({ schemaVersion: 2, mediaType, manifests }, mediaType) as IndexManifest;
  const entries = index.manifests.map((descriptor, i): IndexEntry => {
    return { descriptor, manifest: inner[i] ?? manifest([]) };
  });
  const plan = planTree(index, { reference: REFERENCE, entries });
  const table = tree(plan);
  const third = `sha256-${index.manifests[2]?.digest.slice(7, 19)}`;
  expect(seen(table)).toEqual([third, "v1", "v1/.oci", "v1/.oci/y", "v1/x", "v1~2", "v1~2/x"]);
  expect(plan.warnings).toMatchObject([{ original: "../v1", name: "v1~2" }]);
  expect(names(table, ".oci")).not.toContain("config.json");
  expect(names(table, ".oci/layers")).toHaveLength(3);
  expect(plan.sources[table.source(at(table, "v1~2/x"))]).toMatchObject({ descriptor: inner[1]?.layers[0] });
});

test.each([
  ["1970-01-01T00:00:00Z", 0],
  ["2024-02-29T12:30:15.5+05:30", Date.UTC(2024, 1, 29, 7, 0, 15.5) / 1000 + 0.5],
  ["1969-12-31t23:59:59z", -1],
  ["0001-01-01T00:00:00-00:01", -62_135_596_740],
  ["2016-12-31T23:59:60Z", Date.UTC(2017, 0, 1) / 1000],
  ["2023-02-29T00:00:00Z", undefined],
  ["2024-13-01T00:00:00Z", undefined],
  ["2024-01-01T24:00:00Z", undefined],
  ["2024-01-01", undefined],
  ["2024-01-01T00:00:00", undefined],
  ["2024-01-01T00:00:00Z ", undefined],
  ["", undefined],
])("the time %j is %j", (text, seconds) => {
  expect(parseTimestamp(text)).toBe(seconds);
});

describe.skipIf(FIXTURES === undefined)("public documents (skipped: no fixture folder)", () => {
  const load = (name: string): ImageManifest => {
    const bytes = new Uint8Array(readFileSync(join(FIXTURES ?? "", "made/oci", name)));
    const mediaType = `${OCI}.manifest.v1+json`;
    const result = parseManifest(bytes, { mediaType, digest: digestOf(bytes), size: bytes.length, annotations: {} });
    if (result.kind !== "manifest") throw new Error(`${name} is no manifest`);
    return result;
  };

  test.each(["title-absolute.json", "title-duplicate.json", "subject.json", "urls.json"])("%s mounts whole", (name) => {
    const document = load(name);
    const plan = planTree(document, { reference: REFERENCE });
    expect(treeTotals(tree(plan)).files).toBe(document.layers.length);
  });

  test("an absolute title lies inside the tree, duplicates lie side by side", () => {
    expect(seen(tree(planTree(load("title-absolute.json"), { reference: REFERENCE })))).toContain("etc/passwd");
    const twice = planTree(load("title-duplicate.json"), { reference: REFERENCE });
    expect(twice.warnings).toHaveLength(1);
    expect(twice.warnings[0]?.name).toContain("~2");
  });

  test("2,433 layers named as the seed's scripts name them", () => {
    const config = JSON.parse(readFileSync(join(FIXTURES ?? "", "versioneer/data/config-2433.json"), "utf8")) as {
      readonly patches: readonly unknown[];
    };
    const layers = config.patches.map((_, i) => ({ title: `../data/pastis/${10_000 + i}.tar`, size: 32_819_200 }));
    const plan = planTree(manifest(layers), { reference: REFERENCE });
    const table = tree(plan);
    expect(plan.warnings).toHaveLength(2433);
    expect(treeTotals(table)).toEqual({ files: 2433, directories: 2, size: 2433 * 32_819_200 });
    expect(table.size(at(table, "data/pastis/10000.tar"))).toBe(32_819_200);
  });
});

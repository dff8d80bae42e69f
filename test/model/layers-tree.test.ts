import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { digestOf } from "../../src/bytes/digest.ts";
import { buildPlannedTree, planTree } from "../../src/layers/plain-layers.ts";
import { rowOfInode } from "../../src/layers/tree-attributes.ts";
import { listable, pathOf, resolvePath, walk } from "../../src/layers/tree-paths.ts";
import { NONE, ROW_HIDDEN, ROW_LIVE, type Row, type TreeTable } from "../../src/layers/tree.ts";
import { verifyTree } from "../../src/layers/tree-verify.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import type { ImageManifest } from "../../src/oci/manifest.ts";
import { OCI_MANIFEST } from "../../src/oci/media-type.ts";
import { propertyRuns } from "../support/seed.ts";

const TITLE = "org.opencontainers.image.title";
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** Steps of names that people and attackers give. */
const component = fc.oneof(
  fc.constantFrom("a", "b", "a.csv", "a~2", "a~2.csv", "a~file", "A", "é", "e\u0301", " ", "...", "-", "con"),
  fc.constantFrom(
    "",
    ".",
    "..",
    ".oci",
    ".oci~file",
    "\0",
    "\n",
    "\\",
    "\u202e",
    "\ud800",
    "x".repeat(255),
    "é".repeat(128),
  ),
  fc.string({ unit: "binary", maxLength: 4 }),
);
const title = fc.array(component, { maxLength: 5 }).map((steps) => steps.join("/"));
const anyLayer: fc.Arbitrary<Descriptor> = fc
  .record({
    title: fc.option(title, { nil: undefined, freq: 8 }),
    // Few contents: layers may be of one digest.
    content: fc.nat(30),
    mediaType: fc.constantFrom("text/csv", "image/tiff", "application/octet-stream", ""),
    notes: fc.dictionary(fc.string({ maxLength: 6 }), fc.string({ maxLength: 6 }), { maxKeys: 3 }),
  })
  .map(({ title: name, content, mediaType, notes }) => ({
    mediaType,
    digest: digestOf(bytes(String(content))),
    size: content * 1000,
    annotations: { ...notes, ...(name === undefined ? {} : { [TITLE]: name }) },
  }));

function manifestOf(layers: readonly Descriptor[]): ImageManifest {
  const document = bytes(JSON.stringify({ layers: layers.length }));
  const digest = digestOf(document);
  return {
    kind: "manifest",
    bytes: document,
    descriptor: { mediaType: OCI_MANIFEST, digest, size: document.length, annotations: {} },
    mediaType: OCI_MANIFEST,
    annotations: {},
    config: { mediaType: "application/vnd.oci.empty.v1+json", digest, size: 2, annotations: {} },
    layers,
  };
}

interface Naive {
  readonly layer: Descriptor | undefined;
  readonly children: Set<string>;
}

/** The tree by the plainest means: each path, and the names below it. */
function naiveTree(files: ReadonlyMap<string, Descriptor | undefined>): Map<string, Naive> {
  const nodes = new Map<string, Naive>([["", { layer: undefined, children: new Set() }]]);
  for (const [path, one] of files) {
    const steps = path.split("/");
    for (let depth = 1; depth <= steps.length; depth += 1) {
      const own = steps.slice(0, depth).join("/");
      const parent = steps.slice(0, depth - 1).join("/");
      nodes.get(parent)?.children.add(steps[depth - 1] ?? "");
      if (!nodes.has(own)) nodes.set(own, { layer: depth === steps.length ? one : undefined, children: new Set() });
    }
  }
  return nodes;
}

const isSafe = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !/[/\\\p{Cc}]/u.test(name) && Buffer.byteLength(name) <= 255;
const sorted = (names: Iterable<string>): readonly string[] =>
  [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
const text = (name: Uint8Array): string => Buffer.from(name).toString();

/** What a tree owes to every list of layers, by the paths that were given out. */
function compare(tree: TreeTable, layers: readonly Descriptor[], files: ReadonlyMap<string, Descriptor>): void {
  const nodes = naiveTree(files);
  const inodes = new Map<number, string>();
  let visited = 0;
  for (const row of [tree.root, ...walk(tree)]) {
    const path = pathOf(tree, row);
    const node = nodes.get(path);
    expect([path, node !== undefined]).toEqual([path, true]);
    visited += 1;
    compareRow(tree, { row, path, node: node ?? { layer: undefined, children: new Set() } });
    const inode = tree.inodeBase + tree.link(row) + 1;
    expect([path, inodes.get(inode)]).toEqual([path, undefined]);
    inodes.set(inode, path);
    expect(rowOfInode(tree, inode)).toBe(row);
  }
  // `.oci` is hidden: it is in no listing, and found by name.
  expect(visited).toBe(nodes.size);
  const hidden = tree.lookup(0, bytes(".oci"));
  expect(tree.flags(hidden) & ROW_HIDDEN).toBe(ROW_HIDDEN);
  expect(tree.flags(tree.lookup(hidden, bytes("stats.json"))) & ROW_LIVE).toBe(ROW_LIVE);
  const stored = tree.lookup(hidden, bytes("layers"));
  for (const { digest, size } of layers) {
    const row = tree.lookup(stored, bytes(digest));
    expect([digest, row === NONE ? undefined : tree.size(row)]).toEqual([digest, size]);
  }
}

function compareRow(tree: TreeTable, { row, path, node }: { row: Row; path: string; node: Naive }): void {
  const names = [...listable(tree, row)].map((child) => text(tree.name(child)));
  expect([path, names]).toEqual([path, sorted(node.children)]);
  for (const name of names) expect([name, isSafe(name)]).toEqual([name, true]);
  expect(resolvePath(tree, path)).toBe(row);
  const { layer } = node;
  if (layer === undefined) return;
  expect([path, tree.size(row), names]).toEqual([path, layer.size, []]);
  const expected = new Map([
    ["user.oci.digest", layer.digest as string],
    ["user.oci.mediatype", layer.mediaType],
    ...Object.entries(layer.annotations)
      .map(([key, value]) => [`user.oci.annotation.${key}`, value] as const)
      .filter(([key]) => Buffer.byteLength(key) <= 255 && !key.includes("\0")),
  ]);
  const listed = text(tree.xattrNames(row)).split("\0").slice(0, -1);
  const wellFormed = (name: string): string => Buffer.from(name).toString();
  expect(listed.toSorted()).toEqual(
    [...expected.keys(), "user.oci.cached", "user.oci.verified"].map(wellFormed).toSorted(),
  );
  for (const [name, value] of expected)
    if (wellFormed(name) === name)
      expect([name, Buffer.from(tree.xattr(row, name) ?? [])]).toEqual([name, Buffer.from(value)]);
}

test(
  "layers of any names are files of a naive tree: each once, under a safe name, found by it alone",
  { timeout: 120_000 },
  () => {
    fc.assert(
      fc.property(fc.array(anyLayer, { maxLength: 24 }), fc.array(title, { maxLength: 10 }), (layers, questions) => {
        const plan = planTree(manifestOf(layers), { reference: "a.io/b:v1" });
        const tree = verifyTree(buildPlannedTree(plan));
        const files = new Map<string, Descriptor>();
        for (const { path, source, kind } of plan.entries) {
          const one = layers[source ?? layers.length];
          if (kind !== "file" || one === undefined || String(path).startsWith(".oci/")) continue;
          expect([path, files.has(String(path))]).toEqual([path, false]);
          files.set(String(path), one);
        }
        // What is shown and what was said to be left out are all of the layers; a changed name is said too.
        const left = plan.warnings.filter(({ name }) => name === undefined);
        expect(files.size + left.length).toBe(layers.length);
        const changed = new Set(plan.warnings.map(({ name }) => name));
        for (const [path, { annotations }] of files)
          if (annotations[TITLE] !== undefined && annotations[TITLE] !== path) expect(changed).toContain(path);
        compare(tree, layers, files);
        // What nobody was given is not found, however it is spelled.
        const nodes = naiveTree(files);
        for (const question of questions)
          for (const step of question.split("/")) {
            const found = tree.lookup(0, bytes(step));
            const isThere = nodes.get("")?.children.has(Buffer.from(step).toString()) === true || step === ".oci";
            expect([step, found !== NONE]).toEqual([step, isThere]);
          }
        // The same layers give the same bytes: inode numbers hold over mounts.
        const again = buildPlannedTree(planTree(manifestOf(layers), { reference: "a.io/b:v1" }));
        const hash = (buffer: SharedArrayBuffer): string =>
          createHash("sha256").update(new Uint8Array(buffer)).digest("hex");
        expect(hash(again)).toBe(hash(tree.buffer));
      }),
      propertyRuns({ numRuns: 100 }),
    );
  },
);

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../../../src/bytes/digest.ts";
import { blobPathIn, nameInLayout, prepareLayout, writeManifest } from "../../../src/cli/transfer/layout.ts";
import { parseManifest } from "../../../src/oci/parse-manifest.ts";
import type { Manifest } from "../../../src/oci/manifest.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "riffle-layout-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function manifest(note: string): Manifest {
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const empty = { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(Buffer.from("{}")), size: 2 };
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      artifactType: "x/y",
      config: empty,
      layers: [empty],
      annotations: { note },
    }),
  );
  return parseManifest(bytes, { mediaType, digest: digestOf(bytes), size: bytes.length, annotations: {} });
}

const index = (): { readonly manifests: readonly Record<string, unknown>[] } =>
  JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as { manifests: Record<string, unknown>[] };

test("a layout names what was pulled, and a tag moves", () => {
  const [first, second] = [manifest("one"), manifest("two")];
  prepareLayout(folder, new Set(["sha256"]));
  expect(existsSync(join(folder, "index.json"))).toBe(false);
  for (const one of [first, second]) writeManifest(folder, one);
  expect(readFileSync(blobPathIn(folder, first.descriptor.digest))).toEqual(Buffer.from(first.bytes));
  nameInLayout(folder, first, "v1");
  nameInLayout(folder, first, undefined);
  nameInLayout(folder, first, undefined);
  nameInLayout(folder, second, "v1");
  const names = index().manifests.map(({ digest, annotations }) => [digest, annotations]);
  expect(names).toEqual([
    [first.descriptor.digest, undefined],
    [second.descriptor.digest, { "org.opencontainers.image.ref.name": "v1" }],
  ]);
  expect(JSON.parse(readFileSync(join(folder, "oci-layout"), "utf8"))).toEqual({ imageLayoutVersion: "1.0.0" });
});

test.each(["", "[]", "{}", "not json"])("an index.json that is %j is not overwritten", (text) => {
  writeFileSync(join(folder, "index.json"), text);
  expect(() => prepareLayout(folder, new Set(["sha256"]))).toThrow(expect.objectContaining({ code: "malformed" }));
  expect(readFileSync(join(folder, "index.json"), "utf8")).toBe(text);
});

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../../src/bytes/digest.ts";
import { readConfigFile } from "../../../src/cli/config-file.ts";
import { buildPlannedTree, planTree } from "../../../src/layers/plain-layers.ts";
import { verifyTree } from "../../../src/layers/tree-verify.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../../src/oci/media-type.ts";
import { parseManifest } from "../../../src/oci/parse-manifest.ts";
import { contentEntries, selectPlatform } from "../../../src/oci/platform.ts";
import { parseReference } from "../../../src/oci/reference.ts";
import { findInAuths, helperFor, readCredentialFile } from "../../../src/registry/credential-file.ts";
import { askHelper } from "../../../src/registry/credential-helper.ts";
import { openRegistry } from "../../../src/registry/open-registry.ts";
import { offlineRegistry } from "../../../src/registry/remembered.ts";
import { json, utf8, type FuzzTarget } from "./target.ts";

const DIGEST = digestOf(new Uint8Array(3));
const TITLE = "org.opencontainers.image.title";
const MANIFEST = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  artifactType: "application/vnd.example",
  config: { mediaType: "application/vnd.oci.empty.v1+json", digest: DIGEST, size: 2, data: "e30=" },
  layers: [
    { mediaType: "text/csv", digest: DIGEST, size: 3, annotations: { [TITLE]: "a/b.csv", "x.y": "z" } },
    { mediaType: "image/tiff", digest: DIGEST, size: 3, annotations: { [TITLE]: "../.oci/é" }, urls: ["https://a/b"] },
  ],
  subject: { mediaType: OCI_MANIFEST, digest: DIGEST, size: 3 },
  annotations: { "org.opencontainers.image.created": "2026-01-02T03:04:05Z" },
};
const INDEX = {
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: [
    { mediaType: OCI_MANIFEST, digest: DIGEST, size: 9, platform: { os: "linux", architecture: "amd64" } },
    {
      mediaType: OCI_MANIFEST,
      digest: DIGEST,
      size: 9,
      annotations: { "org.opencontainers.image.ref.name": "v1", "vnd.docker.reference.type": "attestation-manifest" },
    },
  ],
};
const WORDS = [
  TITLE,
  DIGEST,
  "sha256:",
  "sha512:",
  "schemaVersion",
  "mediaType",
  "digest",
  "size",
  "layers",
  "annotations",
  OCI_INDEX,
  OCI_MANIFEST,
  "..",
  ".oci",
  "\\u0000",
  "1e999",
  "[[",
  '{"',
];

const manifest: FuzzTarget = {
  name: "manifest",
  kind: "json",
  words: WORDS,
  maxBytes: 64 * 1024,
  seeds: () => [json(MANIFEST), json(INDEX), json({ schemaVersion: 2, layers: [] }), utf8("<html>")],
  run: async (input, tried) => {
    for (const mediaType of ["", OCI_MANIFEST, OCI_INDEX])
      await tried(() => {
        const found = parseManifest(input, { mediaType, digest: DIGEST, size: input.length, annotations: {} });
        if (found.kind === "index") {
          contentEntries(found);
          selectPlatform(found, undefined);
          return;
        }
        const tree = verifyTree(buildPlannedTree(planTree(found, { reference: `a.io/b@${DIGEST}` })));
        if (tree.rows < 2) throw new Error("a tree without its metadata");
      });
  },
};

/** A folder of the process, made when it is first asked for. */
function temporary(): { readonly path: (name: string) => string; readonly close: () => void } {
  let folder: string | undefined;
  return {
    path: (name) => join((folder ??= mkdtempSync(join(tmpdir(), "riffle-fuzz-files-"))), name),
    close: () => {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      folder = undefined;
    },
  };
}

const layoutFiles = temporary();
const layout: FuzzTarget = {
  name: "layout",
  kind: "json",
  words: [...WORDS, "imageLayoutVersion", "1.0.0"],
  seeds: () => [json(INDEX), json({ imageLayoutVersion: "1.0.0" }), json(MANIFEST)],
  run: async (input, tried) => {
    const directory = layoutFiles.path("layout");
    const blobs = join(directory, "blobs/sha256");
    mkdirSync(blobs, { recursive: true });
    // All documents of a layout in turn: the marker, the index, a manifest under its own digest.
    writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(join(directory, "index.json"), input);
    const blob = digestOf(input).slice("sha256:".length);
    writeFileSync(join(blobs, blob), input);
    try {
      for (const version of [":v1", `@sha256:${blob}`]) {
        const reference = parseReference(`oci:${directory}${version}`);
        const registry = openRegistry(reference);
        await tried(async () => registry.manifest(await registry.resolve(reference)));
        await tried(() => registry.referrers(DIGEST));
      }
      writeFileSync(join(directory, "oci-layout"), input);
      const reference = parseReference(`oci:${directory}:v1`);
      await tried(() => openRegistry(reference).resolve(reference));
    } finally {
      rmSync(join(blobs, blob));
    }
  },
  close: layoutFiles.close,
};

const credentialFiles = temporary();
const dockerConfig: FuzzTarget = {
  name: "docker-config",
  kind: "json",
  words: ["auths", "auth", "credHelpers", "credsStore", "identitytoken", "https://index.docker.io/v1/", "dTpw"],
  seeds: () => [
    json({
      auths: {
        "https://index.docker.io/v1/": { auth: "dTpw" },
        "a.io/ns": { username: "u", password: "p", identitytoken: "t" },
      },
      credHelpers: { "b.io": "pass" },
      credsStore: "desktop",
    }),
    json({}),
  ],
  run: async (input, tried) => {
    const file = credentialFiles.path("config.json");
    writeFileSync(file, input);
    const document = await readCredentialFile(file);
    if (document === undefined) return;
    for (const host of ["docker.io", "a.io", "b.io", "__proto__"]) {
      await tried(() => findInAuths(document, { host, repository: "ns/repo", file }));
      await tried(() => helperFor(document, host, file));
    }
  },
  close: credentialFiles.close,
};

const helperFiles = temporary();
const helperOutput: FuzzTarget = {
  name: "credential-helper",
  kind: "json",
  words: ["Username", "Secret", "ServerURL", "<token>", "credentials not found"],
  every: 50,
  seeds: () => [json({ ServerURL: "a.io", Username: "u", Secret: "s" }), json({ Username: "<token>", Secret: "t" })],
  run: async (input) => {
    writeFileSync(helperFiles.path("answer"), input);
    const program = helperFiles.path("docker-credential-fuzz");
    writeFileSync(program, `#!/bin/sh\nread -r host\nexec cat '${helperFiles.path("answer")}'\n`);
    chmodSync(program, 0o755);
    await askHelper("fuzz", "a.io", { env: { PATH: `${helperFiles.path("")}:/usr/bin:/bin` } });
  },
  close: helperFiles.close,
};

const configFiles = temporary();
const riffleConfig: FuzzTarget = {
  name: "riffle-config",
  kind: "json",
  words: ["plainHttp", "cacheDir", "cache-size", "timeout", "platform", "verbose", "$schema", "10G", "60s", "1e9T"],
  seeds: () => [
    json({ cacheSize: "10G", timeout: "60s", plainHttp: true, verbose: 1, platform: "linux/arm64" }),
    json({ "cache-dir": "~/x", registryConfig: "a.json", $schema: "x" }),
  ],
  run: (input) => {
    const file = configFiles.path("riffle.json");
    writeFileSync(file, input);
    readConfigFile(file);
  },
  close: configFiles.close,
};

/** What a cache directory remembers of tags and manifests; anybody who writes there is an outsider. */
const remembered: FuzzTarget = {
  name: "remembered",
  kind: "json",
  words: WORDS,
  seeds: () => [json({ mediaType: OCI_MANIFEST, digest: DIGEST, size: 3 }), json(MANIFEST)],
  run: async (input) => {
    const reference = parseReference(`a.io/b@${digestOf(input)}`);
    if (reference.kind !== "registry") throw new Error("not a registry");
    const registry = offlineRegistry(reference, { get: () => input, put: () => undefined, save: () => undefined });
    await registry.manifest(await registry.resolve(reference));
  },
};

export const DOCUMENT_TARGETS: readonly FuzzTarget[] = [
  manifest,
  layout,
  dockerConfig,
  helperOutput,
  riffleConfig,
  remembered,
];

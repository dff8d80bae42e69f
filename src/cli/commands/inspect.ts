import type { Artifact } from "../../artifact/artifact.ts";
import type { UnpackedLayer } from "../../layers/archive-places.ts";
import type { TreeWarning } from "../../layers/names.ts";
import type { Annotations, Descriptor } from "../../oci/descriptor.ts";
import type { ImageManifest } from "../../oci/manifest.ts";
import { referrersOf, registryFacts, type RegistryFacts } from "../checks/abilities.ts";
import { parseReference } from "../../oci/reference.ts";
import type { MirrorReport } from "../../registry/mirror.ts";
import type { Context, Run } from "../command.ts";
import { oneLine } from "../exit.ts";
import { formatOf } from "../format-names.ts";
import { documentsOf, layersOf } from "../manifests.ts";
import { openOrdered, openOrderOf, unpackOf, type OpenOrder } from "../open.ts";
import { formatBytes, formatCount } from "../quantities.ts";
import { warningText } from "../warnings.ts";

interface LayerFacts {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  /** Where it is in the tree; null when it was left out. */
  readonly path: string | null;
  /** What it holds, where it is a directory; null where it is a file. */
  readonly unpacked: { readonly members: number; readonly omitted: number } | null;
  readonly annotations: Annotations;
}

interface Inspection {
  readonly reference: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly artifactType: string | null;
  readonly annotations: Annotations;
  readonly config: { readonly digest: string; readonly mediaType: string; readonly size: number } | null;
  readonly layers: readonly LayerFacts[];
  readonly tree: {
    readonly files: number;
    readonly directories: number;
    readonly symlinks: number;
    readonly size: number;
  };
  readonly formats: Readonly<Record<string, number>>;
  readonly referrers: readonly { readonly artifactType: string; readonly digest: string; readonly size: number }[];
  /** Null where it could not be asked. */
  readonly registry: RegistryFacts | null;
  /** What was asked before the registry, and what came of it. */
  readonly mirrors: readonly MirrorReport[];
  readonly warnings: readonly TreeWarning[];
  /** The document itself. */
  readonly manifest: unknown;
}

interface Contents {
  readonly tree: Inspection["tree"];
  readonly formats: Readonly<Record<string, number>>;
  readonly paths: ReadonlyMap<string, string>;
}

function contentsOf(artifact: Artifact, layers: ReadonlyMap<string, Descriptor>): Contents {
  const tree = { files: 0, directories: 0, symlinks: 0, size: 0 };
  const counts = new Map<string, number>();
  const paths = new Map<string, string>();
  for (const { path, type, size, digest } of artifact.entries()) {
    if (type === "directory") tree.directories += 1;
    else if (type === "symlink") tree.symlinks += 1;
    else {
      tree.files += 1;
      tree.size += size;
      const layer = digest === undefined ? undefined : layers.get(digest);
      const whole = layer?.size === size;
      if (layer !== undefined && whole && !paths.has(layer.digest)) paths.set(layer.digest, path);
      const format = formatOf(path, whole ? layer?.mediaType : undefined) ?? "other";
      counts.set(format, (counts.get(format) ?? 0) + 1);
    }
  }
  const formats = Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
  return { tree, formats, paths };
}

function layerFacts(
  manifests: readonly ImageManifest[],
  { paths, unpacked }: Pick<Contents, "paths"> & Pick<Artifact, "unpacked">,
): readonly LayerFacts[] {
  const directories = new Map<string, UnpackedLayer>(unpacked.map((layer) => [layer.layer, layer]));
  return manifests.flatMap(({ layers }) =>
    layers.map(({ digest, mediaType, size, annotations }) => {
      const directory = directories.get(digest);
      const held = directory === undefined ? null : { members: directory.members, omitted: directory.omitted };
      const path = directory?.path ?? paths.get(digest) ?? null;
      return { digest, mediaType, size, path, unpacked: held, annotations };
    }),
  );
}

function layerText({ path, unpacked, mediaType, size, digest }: LayerFacts): string {
  const facts = `${formatBytes(size)}  ${mediaType}  ${digest}`;
  if (unpacked === null) return `${path ?? "(left out)"}  ${facts}`;
  const omitted = unpacked.omitted === 0 ? "" : `, ${unpacked.omitted} left out`;
  return `${path ?? ""}/  ${facts}  tar, headers read by ranges: ${formatCount(unpacked.members, "member")}${omitted}`;
}

async function inspect(artifact: Artifact, order: OpenOrder, context: Context): Promise<Inspection> {
  const documents = await documentsOf(artifact);
  const { top, manifests } = documents;
  const layers = layersOf(documents);
  const { tree, formats, paths } = contentsOf(artifact, layers);
  const config = top.kind === "manifest" ? top.config : undefined;
  const { facts, failure } = await registryFacts(order, { artifact, layers: [...layers.values()], context });
  const referrers = await referrersOf(artifact, context);
  if (failure !== undefined) context.log("warn", `the registry's abilities: ${failure.message}`);
  return {
    reference: artifact.reference,
    digest: artifact.digest,
    mediaType: top.mediaType,
    artifactType: top.artifactType ?? null,
    annotations: top.annotations,
    config: config === undefined ? null : { digest: config.digest, mediaType: config.mediaType, size: config.size },
    layers: layerFacts(manifests, { paths, unpacked: artifact.unpacked }),
    tree,
    formats,
    referrers: referrers.map(({ artifactType, mediaType, digest, size }) => ({
      artifactType: artifactType ?? mediaType,
      digest,
      size,
    })),
    registry: facts ?? null,
    mirrors: artifact.mirrors(),
    warnings: artifact.warnings,
    // Parsed once already when the manifest was checked.
    manifest: JSON.parse(new TextDecoder().decode(top.bytes)) as unknown,
  };
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ["", `${title}:`, ...lines.map((line) => `  ${line}`)];
}

function lineOf(label: string, value: string | null): readonly string[] {
  return value === null ? [] : [`${`${label}:`.padEnd(15)}${value}`];
}

const RANGE_WORDS: Readonly<Record<"partial" | "whole" | "refused" | "untried", string>> = {
  partial: "yes",
  whole: "no: whole layers come",
  refused: "refused",
  untried: "not tried: there is no layer",
};

function registryLines(facts: RegistryFacts | null): readonly string[] {
  if (facts === null) return [];
  if (facts.kind === "layout") return ["none: a local layout directory"];
  const { scheme, host, isRegistry, apiVersion, authentication, ranges, redirects = [], referrersApi } = facts;
  return [
    `address: ${scheme}://${host}${isRegistry ? "" : ", which does not answer as a registry"}`,
    ...(apiVersion === undefined ? [] : [`version: ${apiVersion}`]),
    `authentication: ${authentication}`,
    `byte ranges: ${RANGE_WORDS[ranges ?? "untried"]}`,
    `redirects: ${redirects.length === 0 ? "none" : redirects.join(", then ")}`,
    `referrers: ${referrersApi === true ? "by the API" : "by the tag schema"}`,
  ];
}

export function inspectionText(found: Inspection): readonly string[] {
  const { tree, config, registry } = found;
  const layerBytes = found.layers.reduce((sum, { size }) => sum + size, 0);
  const directories = formatCount(tree.directories, "directory", "directories");
  const links = tree.symlinks === 0 ? "" : `, ${formatCount(tree.symlinks, "symbolic link")}`;
  return [
    ...lineOf("reference", found.reference),
    ...lineOf("media type", found.mediaType),
    ...lineOf("artifact type", found.artifactType),
    ...lineOf("config", config === null ? null : `${config.mediaType}, ${formatBytes(config.size)}, ${config.digest}`),
    ...lineOf("layers", `${found.layers.length}, ${formatBytes(layerBytes)}`),
    ...lineOf("tree", `${formatCount(tree.files, "file")}, ${directories}${links}, ${formatBytes(tree.size)}`),
    ...section(
      "annotations",
      Object.entries(found.annotations).map(([key, value]) => `${key}: ${value}`),
    ),
    ...section(
      "layers",
      found.layers.map((layer) => layerText(layer)),
    ),
    ...section(
      "formats",
      Object.entries(found.formats).map(([format, count]) => `${format}: ${formatCount(count, "file")}`),
    ),
    ...section(
      "referrers",
      found.referrers.map(({ artifactType, size, digest }) => `${artifactType}  ${formatBytes(size)}  ${digest}`),
    ),
    ...section("registry", registryLines(registry)),
    ...section(
      "mirrors",
      found.mirrors.map(
        ({ host, state, message }) => `${host}: ${state}${message === undefined ? "" : ` (${message})`}`,
      ),
    ),
    ...section("warnings", found.warnings.map(warningText)),
  ].map(oneLineKeepingIndent);
}

/** Annotations hold what their authors like: one line each, whatever it is. */
function oneLineKeepingIndent(line: string): string {
  const indent = /^ */.exec(line)?.[0] ?? "";
  return indent + oneLine(line);
}

export const run: Run = async ([reference = ""], flags, context) => {
  parseReference(reference);
  const order = await openOrderOf(context, reference, { unpack: unpackOf(flags) });
  await using artifact = await openOrdered(order, context);
  const found = await inspect(artifact, order, context);
  if (context.settings.json) await context.out.line(JSON.stringify(found));
  else for (const line of inspectionText(found)) await context.out.line(line);
  return 0;
};

import { RiffleError } from "../errors.ts";
import type { Digest } from "../bytes/digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { ImageManifest, IndexManifest, Manifest } from "../oci/manifest.ts";
import { mediaTypeExtension } from "../oci/media-type.ts";
import type { ArchiveOutcome } from "./archive-listing.ts";
import { ArchivePlaces, type UnpackedLayer } from "./archive-places.ts";
import { createdTime } from "./created.ts";
import { metadataEntries } from "./metadata-directory.ts";
import { assignNames, entryWish, layerWish, type TreeWarning } from "./names.ts";
import { blobSource, sourceSize, sourceXattrs, type SourceInfo } from "./sources.ts";
import { buildTree } from "./tree-builder.ts";
import type { TreeEntry } from "./tree-entry.ts";

/** Everything that a table is built from, and what its source numbers mean. */
export interface TreePlan {
  readonly entries: readonly TreeEntry[];
  readonly sources: readonly SourceInfo[];
  readonly warnings: readonly TreeWarning[];
  /** Layers that are directories. */
  readonly unpacked: readonly UnpackedLayer[];
  /** Time of directories and of what has none of its own, in seconds since the epoch. */
  readonly mtime: number;
}

/** One entry of an index without platforms, with the manifest behind it. */
export interface IndexEntry {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
}

export interface PlanOptions {
  /** The pinned reference that `.oci/reference` shows. */
  readonly reference: string;
  /** What an index stands for; needed for an index, not used for a manifest. */
  readonly entries?: readonly IndexEntry[];
  /** What became of layers that are archives; without it all stay files. */
  readonly archives?: ReadonlyMap<Digest, ArchiveOutcome>;
}

/**
 * INTERFACE section 3 for layers that stay files: each layer of a manifest, or of each entry of an index in a directory
 * of its own, under its safe name, and `.oci` beside them. The same documents give the same plan. No I/O.
 */
export function planTree(manifest: Manifest, options: PlanOptions): TreePlan {
  const created = createdTime(manifest.annotations) ?? 0;
  const archives = new ArchivePlaces(options.archives ?? new Map());
  const layers =
    manifest.kind === "manifest"
      ? planLayers(manifest, { directory: "", created, archives })
      : planEntries(manifest, options.entries ?? [], { created, archives });
  const metadata = metadataEntries(manifest, {
    reference: options.reference,
    firstSource: layers.sources.length,
    layers: layers.sources,
  });
  return {
    entries: [...layers.entries, ...metadata.entries],
    sources: [...layers.sources, ...metadata.sources],
    warnings: [...layers.warnings, ...archives.warnings],
    unpacked: archives.unpacked,
    mtime: created,
  };
}

/** The table of a plan; source numbers are places in `plan.sources`. */
export function buildPlannedTree(plan: TreePlan): SharedArrayBuffer {
  return buildTree(plan.entries, { sources: plan.sources.map((source) => sourceXattrs(source)), mtime: plan.mtime });
}

interface PlannedLayers {
  readonly entries: readonly TreeEntry[];
  /** One for each layer, those left out too: `.oci/layers` shows them all. */
  readonly sources: readonly SourceInfo[];
  readonly warnings: readonly TreeWarning[];
}

interface Place {
  /** Where the layers lie: empty for the root, or a safe path. */
  readonly directory: string;
  /** Time of layers without one. */
  readonly created: number;
  readonly archives: ArchivePlaces;
  readonly firstSource?: number;
}

function planLayers(manifest: ImageManifest, { directory, created, archives, firstSource = 0 }: Place): PlannedLayers {
  const atRoot = directory === "";
  const wishes = manifest.layers.map((layer) =>
    layerWish(layer, { extension: mediaTypeExtension(layer.mediaType), atRoot }),
  );
  const { paths, warnings } = assignNames(wishes);
  const sources = manifest.layers.map((layer) => blobSource(layer));
  const entries = manifest.layers.flatMap((layer, index): TreeEntry[] => {
    const path = paths[index];
    const source = sources[index];
    if (path === undefined || source === undefined) return [];
    const mtime = createdTime(layer.annotations) ?? created;
    const full = atRoot ? path : `${directory}/${path}`;
    const file: TreeEntry = { path: full, kind: "file", size: sourceSize(source), mtime, source: firstSource + index };
    return archives.entriesOf(layer.digest, { ...file, path: full }) ?? [file];
  });
  return {
    entries,
    sources,
    warnings: atRoot ? warnings : warnings.map((warning) => insideDirectory(warning, directory)),
  };
}

function insideDirectory(warning: TreeWarning, directory: string): TreeWarning {
  return warning.name === undefined ? warning : { ...warning, name: `${directory}/${warning.name}` };
}

function planEntries(
  index: IndexManifest,
  given: readonly IndexEntry[],
  { created, archives }: Pick<Place, "created" | "archives">,
): PlannedLayers {
  const { paths, warnings: renamed } = assignNames(
    given.map(({ descriptor }) => entryWish(descriptor)),
    { extension: false },
  );
  const known = new Set<Digest>(index.manifests.map((entry) => entry.digest));
  const entries: TreeEntry[] = [];
  const sources: SourceInfo[] = [];
  const warnings: TreeWarning[] = [...renamed];
  given.forEach(({ descriptor, manifest }, place) => {
    if (!known.has(descriptor.digest)) {
      throw new RiffleError("internal", `the index has no such entry: ${descriptor.digest}`);
    }
    const directory = paths[place];
    if (directory === undefined) {
      sources.push(...manifest.layers.map((layer) => blobSource(layer)));
      return;
    }
    const time = createdTime(manifest.annotations) ?? created;
    entries.push({ path: directory, kind: "directory", mtime: time });
    const inside = planLayers(manifest, { directory, created: time, archives, firstSource: sources.length });
    entries.push(...inside.entries);
    sources.push(...inside.sources);
    warnings.push(...inside.warnings);
  });
  return { entries, sources, warnings };
}

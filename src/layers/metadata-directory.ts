import type { Digest } from "../bytes/digest.ts";
import type { Manifest } from "../oci/manifest.ts";
import { blobSource, sourceSize, type LiveName, type SourceInfo } from "./sources.ts";
import { ROW_HIDDEN, ROW_LIVE } from "./tree.ts";
import type { TreeEntry } from "./tree-entry.ts";

const DIRECTORY = ".oci";

export interface MetadataOptions {
  readonly reference: string;
  /** The number that the first source made here gets. */
  readonly firstSource: number;
  /** Sources 0 to n - 1, whose blobs lie in `.oci/layers`. */
  readonly layers: readonly SourceInfo[];
}

export interface MetadataEntries {
  readonly entries: readonly TreeEntry[];
  readonly sources: readonly SourceInfo[];
}

/** `.oci` (INTERFACE section 3.7). The config is a source like any layer: nothing is fetched before it is read. */
export function metadataEntries(manifest: Manifest, options: MetadataOptions): MetadataEntries {
  const entries: TreeEntry[] = [
    { path: DIRECTORY, kind: "directory", flags: ROW_HIDDEN },
    { path: `${DIRECTORY}/layers`, kind: "directory" },
  ];
  const sources: SourceInfo[] = [];
  const addFile = (name: string, source: SourceInfo, flags = 0): void => {
    const number = options.firstSource + sources.length;
    sources.push(source);
    entries.push({ path: `${DIRECTORY}/${name}`, kind: "file", size: sourceSize(source), source: number, flags });
  };
  const addText = (name: string, text: string): void =>
    addFile(name, { kind: "inline", bytes: new TextEncoder().encode(text) });
  const addLive = (name: LiveName): void => addFile(name, { kind: "live", name }, ROW_LIVE);

  addFile("manifest.json", { kind: "inline", bytes: manifest.bytes, descriptor: manifest.descriptor });
  if (manifest.kind === "manifest") addFile("config.json", blobSource(manifest.config));
  addText("reference", `${options.reference}\n`);
  addText("annotations.json", `${JSON.stringify(manifest.annotations, undefined, 2)}\n`);
  addLive("stats.json");
  addLive("errors");
  return { entries: [...entries, ...layerEntries(options.layers)], sources };
}

/** Each blob once, under its digest: also those whose names no file system could show. */
function layerEntries(layers: readonly SourceInfo[]): TreeEntry[] {
  const shown = new Set<Digest>();
  return layers.flatMap((layer, source): TreeEntry[] => {
    const digest = layer.kind === "live" ? undefined : layer.descriptor?.digest;
    if (digest === undefined || shown.has(digest)) return [];
    shown.add(digest);
    return [{ path: `${DIRECTORY}/layers/${digest}`, kind: "file", size: sourceSize(layer), source }];
  });
}

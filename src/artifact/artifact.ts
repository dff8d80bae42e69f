import type { Manifest } from "../oci/manifest.ts";
import type { UnpackedLayer } from "../layers/archive-places.ts";
import type { TreeWarning } from "../layers/names.ts";
import type { MirrorReport } from "../registry/mirror.ts";
import type { Registry } from "../registry/registry.ts";
import type { ArtifactStats, MountFacts } from "./accounting.ts";
import type { ArtifactFile } from "./artifact-file.ts";
import type { FormatReaders } from "./format-readers.ts";
import type { Served } from "./served.ts";

export interface Entry {
  /** Relative to the artifact's root, without a leading `/`. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink";
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Of the layer that holds the file. */
  readonly digest?: string;
  readonly target?: string;
}

/** An artifact, pinned to its digest. Opening it fetches its manifest and nothing else. */
export interface Artifact extends FormatReaders, AsyncDisposable {
  /** Pinned: `HOST/REPO@sha256:...` or `oci:DIR@sha256:...`. */
  readonly reference: string;
  readonly digest: string;
  readonly manifest: Manifest;
  /** Names that were changed, layers and members of archives that were left out, and archives that stay files. */
  readonly warnings: readonly TreeWarning[];
  /** Layers that are directories (`unpack`). */
  readonly unpacked: readonly UnpackedLayer[];
  readonly registry: Registry;
  /** What front ends serve. */
  readonly served: Served;
  /** Everything below `path` (default: the root), depth first in order of name; hidden `.oci` only when asked for by name. */
  entries(path?: string): Iterable<Entry>;
  entry(path: string): Entry | undefined;
  /** Throws `not-found`, or `usage` for what is not a file. No I/O until the first read. */
  file(path: string): ArtifactFile;
  stats(): ArtifactStats;
  /** What has become of the mirrors of its registry, in the order in which they are asked. */
  mirrors(): readonly MirrorReport[];
  /** The errors behind failed reads, newest last. */
  errors(): string;
  /** Lets `stats()` and `.oci/stats.json` show what a mount of this artifact adds. */
  mounted(facts: (() => MountFacts) | undefined): void;
  close(): Promise<void>;
}

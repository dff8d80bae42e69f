import type { TreeEntry } from "./tree-entry.ts";

/** A member that is not shown, and why. */
export interface Omission {
  /** Printable. */
  readonly member: string;
  readonly reason: string;
}

/** What an archive shows. */
export interface ArchiveListing {
  /**
   * Paths are below the directory that the archive becomes; an empty one is that directory itself. Offsets are those in
   * the layer, whose number as a source is for others to add. Groups of hard links are numbered from 1.
   */
  readonly entries: readonly TreeEntry[];
  readonly groups: number;
  readonly members: number;
  /** The first of those that are not shown; `omitted` counts all. */
  readonly omissions: readonly Omission[];
  readonly omitted: number;
}

/** What became of a layer that looks like an archive. */
export type ArchiveOutcome =
  | { readonly kind: "unpacked"; readonly listing: ArchiveListing }
  /** It stays a file. */
  | { readonly kind: "kept"; readonly reason: string };

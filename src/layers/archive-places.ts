import type { Digest } from "../bytes/digest.ts";
import type { ArchiveListing, ArchiveOutcome } from "./archive-listing.ts";
import type { TreeWarning } from "./names.ts";
import type { TreeEntry } from "./tree-entry.ts";

/** A layer that is a directory of the tree. */
export interface UnpackedLayer {
  readonly layer: Digest;
  readonly path: string;
  readonly members: number;
  /** Of these, not shown. */
  readonly omitted: number;
}

/** Puts archives where their files would have been, and keeps what there is to be said of them. */
export class ArchivePlaces {
  readonly warnings: TreeWarning[] = [];
  readonly unpacked: UnpackedLayer[] = [];
  readonly #outcomes: ReadonlyMap<Digest, ArchiveOutcome>;
  #groups = 0;

  constructor(outcomes: ReadonlyMap<Digest, ArchiveOutcome>) {
    this.#outcomes = outcomes;
  }

  /** The directory in place of `file` and what lies in it; undefined for a layer that stays a file. */
  entriesOf(layer: Digest, file: TreeEntry & { readonly path: string }): TreeEntry[] | undefined {
    const outcome = this.#outcomes.get(layer);
    if (outcome === undefined) return undefined;
    const { path } = file;
    if (outcome.kind === "kept") {
      this.warnings.push({ layer, original: path, name: path, reason: `stays a file: ${outcome.reason}` });
      return undefined;
    }
    const { listing } = outcome;
    const { members, omitted } = listing;
    this.unpacked.push({ layer, path, members, omitted });
    this.#warn({ layer, path }, listing);
    const firstGroup = this.#groups;
    this.#groups += listing.groups;
    const directory: TreeEntry = { path, kind: "directory", ...(file.mtime !== undefined && { mtime: file.mtime }) };
    const inside = listing.entries.map((entry): TreeEntry => {
      return {
        ...entry,
        path: below(path, entry.path),
        ...(entry.kind === "file" && file.source !== undefined && { source: file.source }),
        ...(entry.group !== undefined && { group: firstGroup + entry.group }),
      };
    });
    return [directory, ...inside];
  }

  #warn({ layer, path }: Pick<UnpackedLayer, "layer" | "path">, { omissions, omitted }: ArchiveListing): void {
    for (const { member, reason } of omissions)
      this.warnings.push({ layer, original: `${path}/${member}`, name: undefined, reason });
    const more = omitted - omissions.length;
    if (more > 0) this.warnings.push({ layer, original: path, name: path, reason: `leaves out ${more} more members` });
  }
}

function below(directory: string, path: string | Uint8Array): string | Uint8Array {
  if (path.length === 0) return directory;
  return typeof path === "string" ? `${directory}/${path}` : Buffer.concat([Buffer.from(`${directory}/`), path]);
}

import { ROW_FILTERED, ROW_HIDDEN, ROW_LIVE, S_IFDIR, S_IFLNK, S_IFREG } from "../../src/layers/tree.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";

/** A file system by the plainest means: a map of paths, and of each path what it shows. */
export interface ReferenceFile {
  readonly path: string;
  readonly name: Buffer;
  readonly parent: string;
  /** Equal for paths of one inode. */
  readonly inode: string;
  readonly mode: number;
  readonly nlink: number;
  readonly size: number;
  readonly mtime: number;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly source: number | undefined;
  readonly offset: number;
  readonly target: Buffer | undefined;
  readonly isHidden: boolean;
  readonly isFiltered: boolean;
  readonly isLive: boolean;
}

export type ReferenceFiles = ReadonlyMap<string, ReferenceFile>;

/** The files of these entries, of which none is in the way of another; the root is the empty path. */
export function referenceFiles(entries: readonly TreeEntry[], mtime: number): ReferenceFiles {
  const byPath = new Map<string, TreeEntry | undefined>([["", undefined]]);
  for (const entry of entries) {
    const path = String(entry.path);
    for (const above of parentsOf(path)) if (!byPath.has(above)) byPath.set(above, undefined);
    byPath.set(path, entry);
  }
  const kindOf = (path: string): string => byPath.get(path)?.kind ?? "directory";
  const groups = new Map<number, string[]>();
  for (const [path, entry] of byPath)
    if (entry?.group !== undefined) groups.set(entry.group, [...(groups.get(entry.group) ?? []), path]);
  return new Map(
    [...byPath].map(([path, entry]) => {
      const links = entry?.group === undefined ? [path] : (groups.get(entry.group) ?? [path]);
      const target = entry?.target === undefined ? undefined : Buffer.from(entry.target);
      const inside = [...byPath.keys()].filter((other) => other !== "" && parentOf(other) === path);
      const isDirectory = kindOf(path) === "directory";
      const type = isDirectory ? S_IFDIR : target === undefined ? S_IFREG : S_IFLNK;
      const flags = entry?.flags ?? 0;
      return [
        path,
        {
          path,
          name: Buffer.from(path.slice(path.lastIndexOf("/") + 1)),
          parent: parentOf(path),
          inode: links.toSorted()[0] ?? path,
          mode: type | (entry?.mode ?? (isDirectory ? 0o555 : target === undefined ? 0o444 : 0o777)),
          nlink: isDirectory ? 2 + inside.filter((other) => kindOf(other) === "directory").length : links.length,
          size: target?.length ?? entry?.size ?? 0,
          mtime: entry?.mtime ?? mtime,
          uid: entry?.uid,
          gid: entry?.gid,
          source: entry?.source,
          offset: entry?.offset ?? 0,
          target,
          isHidden: (flags & ROW_HIDDEN) !== 0,
          isFiltered: (flags & ROW_FILTERED) !== 0,
          isLive: (flags & ROW_LIVE) !== 0,
        },
      ];
    }),
  );
}

/** All children, in the order of their bytes. */
export function childrenOf(files: ReferenceFiles, path: string): readonly ReferenceFile[] {
  return [...files.values()]
    .filter((file) => file.path !== "" && file.parent === path)
    .sort((a, b) => Buffer.compare(a.name, b.name));
}

export const isDirectory = (file: ReferenceFile): boolean => (file.mode & 0o170000) === S_IFDIR;
export const isFile = (file: ReferenceFile): boolean => (file.mode & 0o170000) === S_IFREG;

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function parentsOf(path: string): readonly string[] {
  return path === "" ? [] : [...parentsOf(parentOf(path)), parentOf(path)];
}

import { NONE, S_IFDIR, S_IFLNK, S_IFREG, type TreeTable } from "../../src/layers/tree.ts";
import type { TreeEntry } from "../../src/layers/tree-entry.ts";

export const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** What can be seen of one path: the facts that a table and the naive tree must agree on. */
export interface Seen {
  readonly mode: number;
  readonly size: number;
  readonly mtime: number;
  readonly uid: number;
  readonly nlink: number;
  readonly target: string | undefined;
  /** All paths of the same inode. */
  readonly links: readonly string[];
  readonly children: readonly string[] | undefined;
}

/** Paths in hex, so that any name can be a key and hex order is byte order. */
const key = (path: string): string => Buffer.from(path).toString("hex");
const SLASH = "2f";

/** The tree by the plainest means: a map of paths. Undefined when a path is a file and a directory. */
export function model(entries: readonly TreeEntry[]): Record<string, Seen> | undefined {
  const nodes = new Map<string, TreeEntry | "implied">([["", "implied"]]);
  const files = new Set<string>();
  for (const entry of entries) {
    const steps = String(entry.path).split("/");
    for (let i = 1; i < steps.length; i += 1) {
      const parent = key(steps.slice(0, i).join("/"));
      if (!nodes.has(parent)) nodes.set(parent, "implied");
    }
  }
  for (const entry of entries) {
    const path = key(String(entry.path));
    if (entry.kind !== "directory") files.add(path);
    if (entry.kind === "directory" && !files.has(path)) nodes.set(path, entry);
    if (entry.kind !== "directory" && nodes.has(path) && isDirectory(nodes.get(path))) return undefined;
    if (entry.kind === "directory" && files.has(path)) return undefined;
    nodes.set(path, entry);
  }
  const groups = new Map<number, { paths: string[]; last: TreeEntry }>();
  for (const entry of entries) {
    const path = key(String(entry.path));
    if (entry.kind === "directory" || (entry.group ?? NONE) === NONE || nodes.get(path) !== entry) continue;
    const group = groups.get(entry.group ?? NONE) ?? { paths: [], last: entry };
    group.paths.push(path);
    group.last = entry;
    groups.set(entry.group ?? NONE, group);
  }
  return Object.fromEntries([...nodes].map(([path, node]) => [path, seen(path, node, { nodes, groups })]));
}

function isDirectory(node: TreeEntry | "implied" | undefined): boolean {
  return node === "implied" || node?.kind === "directory";
}

interface Model {
  readonly nodes: ReadonlyMap<string, TreeEntry | "implied">;
  readonly groups: ReadonlyMap<number, { readonly paths: readonly string[]; readonly last: TreeEntry }>;
}

function seen(path: string, node: TreeEntry | "implied", { nodes, groups }: Model): Seen {
  if (node === "implied" || node.kind === "directory") {
    const inside = [...nodes.keys()].filter((other) => other !== "" && parentOf(other) === path);
    const given = node === "implied" ? { mode: 0o555, mtime: 0, uid: NONE } : node;
    return {
      mode: S_IFDIR | (given.mode ?? 0),
      size: 0,
      mtime: given.mtime ?? 0,
      uid: given.uid ?? NONE,
      nlink: 2 + inside.filter((other) => isDirectory(nodes.get(other))).length,
      target: undefined,
      links: [path],
      children: inside.toSorted(),
    };
  }
  const group = groups.get(node.group ?? NONE);
  const shown = group?.last ?? node;
  const link = shown.kind === "symlink";
  return {
    mode: (link ? S_IFLNK : S_IFREG) | (shown.mode ?? 0),
    size: link ? Buffer.byteLength(String(shown.target)) : (shown.size ?? 0),
    mtime: shown.mtime ?? 0,
    uid: shown.uid ?? NONE,
    nlink: group?.paths.length ?? 1,
    target: link ? Buffer.from(String(shown.target)).toString() : undefined,
    links: (group?.paths ?? [path]).toSorted(),
    children: undefined,
  };
}

/** The hex of a slash may also lie across two bytes: only even places count. */
function parentOf(path: string): string {
  for (let at = path.length - 2; at >= 0; at -= 2) if (path.slice(at, at + 2) === SLASH) return path.slice(0, at);
  return "";
}

/** Every row of a table, read through its public face; each path is also looked up step by step. */
export function dump(tree: TreeTable): Record<string, Seen> {
  const paths = new Map<number, string>();
  const result: Record<string, Seen> = {};
  const links = new Map<number, string[]>();
  for (let row = 0; row < tree.rows; row += 1) {
    const name = Buffer.from(tree.name(row)).toString("hex");
    const parent = tree.parent(row);
    const above = paths.get(parent);
    const path = row === 0 ? "" : above === undefined || above === "" ? name : `${above}${SLASH}${name}`;
    paths.set(row, path);
    if (row > 0 && tree.lookup(parent, tree.name(row)) !== row) throw new Error(`row ${row} is not found by its name`);
    const same = links.get(tree.link(row));
    if (same === undefined) links.set(tree.link(row), [path]);
    else same.push(path);
  }
  for (const [row, path] of paths) {
    const directory = (tree.mode(row) & 0o170000) === S_IFDIR;
    const target = tree.target(row);
    result[path] = {
      mode: tree.mode(row),
      size: tree.size(row),
      mtime: tree.mtime(row),
      uid: tree.uid(row),
      nlink: tree.nlink(row),
      target: target === undefined ? undefined : Buffer.from(target).toString(),
      links: (links.get(tree.link(row)) ?? []).toSorted(),
      children: directory
        ? Array.from({ length: tree.childCount(row) }, (_, i) => paths.get(tree.firstChild(row) + i) ?? "?")
        : undefined,
    };
  }
  return result;
}

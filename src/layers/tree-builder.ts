import { RiffleError } from "../errors.ts";
import { NONE, S_IFDIR, S_IFLNK, S_IFREG } from "./tree.ts";
import type { TreeDefaults, TreeEntry } from "./tree-entry.ts";
import { layOutTree, type SourceXattrs } from "./tree-layout.ts";
import { grownColumns, nodeColumns, type NodeColumns } from "./tree-nodes.ts";

const FORMAT = { file: S_IFREG, directory: S_IFDIR, symlink: S_IFLNK } as const;
const DEFAULT_MODE = { file: 0o444, directory: 0o555, symlink: 0o777 } as const;
const NAME_BYTES = 255;
const SLASH = 0x2f;
const DOT = 0x2e;

export interface BuildOptions {
  /** Extended attributes by source number; its length is the number of sources. */
  readonly sources?: readonly SourceXattrs[];
  readonly inodeBase?: number;
}

/**
 * Takes the paths of a tree in any order and lays them out as a table. Only directories are looked up by name as they
 * arrive; files are told apart after sorting, so that a million of them cost columns and no strings. A path that comes
 * twice is what its last entry says; a directory keeps its children.
 */
export class TreeBuilder {
  readonly #defaultMode: number;
  readonly #defaultTime: number;
  readonly #directories = new Map<string, number>();
  readonly #targets: Uint8Array[] = [];
  #nodes: NodeColumns = nodeColumns(64);
  #count = 0;
  #names: Buffer = Buffer.allocUnsafe(1024);
  #nameEnd = 0;
  // Entries mostly come directory by directory: the last one's directory and its path.
  #lastPrefix: Buffer = Buffer.alloc(0);
  #lastDirectory = 0;

  constructor(defaults: TreeDefaults = {}) {
    this.#defaultMode = S_IFDIR | (defaults.directoryMode ?? DEFAULT_MODE.directory);
    this.#defaultTime = defaults.mtime ?? 0;
    this.#addDirectory(0, Buffer.alloc(0));
  }

  /** Throws `malformed` for a path or number that no file system could show. An empty path is the root itself. */
  add(entry: TreeEntry): void {
    const path = bytesOf(entry.path);
    const cut = path.lastIndexOf(SLASH);
    const parent = cut < 0 ? 0 : this.#directoryAt(path.subarray(0, cut));
    const name = path.subarray(cut + 1);
    if (entry.kind === "directory") {
      this.#describe(path.length === 0 ? 0 : this.#enter(parent, name), entry);
      return;
    }
    checkName(name);
    this.#describe(this.#append(parent, name), entry);
  }

  /** Throws `malformed` when a path is a file and also a directory. The builder may go on to be used. */
  build(options: BuildOptions = {}): SharedArrayBuffer {
    return layOutTree({
      count: this.#count,
      nodes: this.#nodes,
      names: this.#names,
      targets: this.#targets,
      sources: options.sources ?? [],
      inodeBase: options.inodeBase ?? 0,
    });
  }

  #directoryAt(prefix: Buffer): number {
    if (prefix.equals(this.#lastPrefix)) return this.#lastDirectory;
    let directory = 0;
    for (let start = 0; start <= prefix.length;) {
      const slash = prefix.indexOf(SLASH, start);
      const end = slash < 0 ? prefix.length : slash;
      directory = this.#enter(directory, prefix.subarray(start, end));
      start = end + 1;
    }
    this.#lastPrefix = Buffer.from(prefix);
    this.#lastDirectory = directory;
    return directory;
  }

  #enter(parent: number, name: Buffer): number {
    const key = `${parent}/${name.toString("latin1")}`;
    const known = this.#directories.get(key);
    if (known !== undefined) return known;
    checkName(name);
    const node = this.#addDirectory(parent, name);
    this.#directories.set(key, node);
    return node;
  }

  #addDirectory(parent: number, name: Buffer): number {
    const node = this.#append(parent, name);
    this.#nodes.mode[node] = this.#defaultMode;
    this.#nodes.mtime[node] = this.#defaultTime;
    return node;
  }

  #append(parent: number, name: Buffer): number {
    if (this.#count === this.#nodes.parent.length) this.#nodes = grownColumns(this.#nodes);
    const node = this.#count;
    if (this.#nameEnd + name.length > 0xffff_ffff) throw new RiffleError("malformed", "tree has over 4 GiB of names");
    if (this.#nameEnd + name.length > this.#names.length) {
      const grown = Buffer.allocUnsafe(this.#names.length * 2);
      this.#names.copy(grown, 0, 0, this.#nameEnd);
      this.#names = grown;
    }
    this.#names.set(name, this.#nameEnd);
    this.#nodes.parent[node] = parent;
    this.#nodes.nameStart[node] = this.#nameEnd;
    this.#nodes.nameLength[node] = name.length;
    this.#nameEnd += name.length;
    this.#count += 1;
    return node;
  }

  #describe(node: number, entry: TreeEntry): void {
    const nodes = this.#nodes;
    const { kind } = entry;
    nodes.mode[node] = FORMAT[kind] | ((entry.mode ?? DEFAULT_MODE[kind]) & 0o7777);
    nodes.flags[node] = entry.flags ?? 0;
    nodes.mtime[node] = entry.mtime ?? this.#defaultTime;
    nodes.uid[node] = entry.uid ?? NONE;
    nodes.gid[node] = entry.gid ?? NONE;
    if (kind === "directory") return;
    nodes.group[node] = entry.group ?? NONE;
    if (kind === "symlink") {
      const target = bytesOf(entry.target ?? "");
      nodes.size[node] = target.length;
      nodes.target[node] = this.#targets.push(Uint8Array.from(target)) - 1;
      return;
    }
    nodes.size[node] = fileNumber(entry.size ?? 0, "size");
    nodes.source[node] = entry.source ?? NONE;
    nodes.offset[node] = fileNumber(entry.offset ?? 0, "offset");
  }
}

/** The table of these entries in one call. */
export function buildTree(entries: Iterable<TreeEntry>, options: BuildOptions & TreeDefaults = {}): SharedArrayBuffer {
  const builder = new TreeBuilder(options);
  for (const entry of entries) builder.add(entry);
  return builder.build(options);
}

function bytesOf(text: string | Uint8Array): Buffer {
  return typeof text === "string" ? Buffer.from(text) : Buffer.from(text.buffer, text.byteOffset, text.byteLength);
}

function checkName(name: Buffer): void {
  const dots = name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
  if (name.length === 0 || name.length > NAME_BYTES || dots || name.includes(0)) {
    throw new RiffleError("malformed", `no file can have this name: ${JSON.stringify(name.toString().slice(0, 80))}`);
  }
}

function fileNumber(value: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RiffleError("malformed", `no file can have this ${what}: ${value}`);
}

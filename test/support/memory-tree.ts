import { NONE, ROW_FILTERED, S_IFDIR, S_IFLNK, S_IFREG, type Row, type TreeTable } from "../../src/layers/tree.ts";

export interface NodeSpec {
  readonly name: string;
  readonly children?: readonly NodeSpec[];
  readonly size?: number;
  readonly target?: string;
  readonly source?: number;
  readonly offset?: number;
  readonly flags?: number;
  readonly mode?: number;
  readonly mtime?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly xattrs?: Readonly<Record<string, string>>;
  /** Path of the file whose inode it shares. */
  readonly linkTo?: string;
}

interface MemoryRow {
  readonly spec: NodeSpec;
  readonly path: string;
  readonly parent: Row;
  readonly name: Buffer;
  first: Row;
  count: number;
}

/** The contract of a tree in plain objects: for tests that need no other thread. */
export function memoryTree(root: readonly NodeSpec[], inodeBase = 0): TreeTable {
  const rows: MemoryRow[] = [
    { spec: { name: "", children: root }, path: "", parent: 0, name: Buffer.alloc(0), first: 0, count: 0 },
  ];
  for (let row = 0; row < rows.length; row += 1) {
    const entry = at(rows, row);
    const children = (entry.spec.children ?? [])
      .map((spec) => ({ spec, name: Buffer.from(spec.name) }))
      .sort((a, b) => Buffer.compare(a.name, b.name));
    if (entry.spec.children !== undefined) entry.first = rows.length;
    entry.count = children.length;
    for (const { spec, name } of children) {
      rows.push({ spec, path: `${entry.path}/${spec.name}`, parent: row, name, first: 0, count: 0 });
    }
  }
  const spec = (row: Row): NodeSpec => at(rows, row).spec;
  const lookup = (parent: Row, name: Uint8Array): Row => {
    const { first, count } = at(rows, parent);
    const found = rows.slice(first, first + count).findIndex((row) => Buffer.compare(row.name, name) === 0);
    return found === -1 || ((spec(first + found).flags ?? 0) & ROW_FILTERED) !== 0 ? NONE : first + found;
  };
  const link = (row: Row): Row => {
    const { linkTo } = spec(row);
    return linkTo === undefined ? row : rows.findIndex((other) => other.path === linkTo);
  };
  return {
    buffer: new SharedArrayBuffer(0),
    rows: rows.length,
    inodeBase,
    sources: 1 + Math.max(0, ...rows.map((row) => row.spec.source ?? 0)),
    root: 0,
    lookup,
    lookupIn: (parent, bytes, start, end) => lookup(parent, bytes.subarray(start, end)),
    parent: (row) => at(rows, row).parent,
    firstChild: (row) => at(rows, row).first,
    childCount: (row) => at(rows, row).count,
    name: (row) => at(rows, row).name,
    nameBytes: (row) => at(rows, row).name.length,
    copyName: (row, into, to) => {
      into.set(at(rows, row).name, to);
      return at(rows, row).name.length;
    },
    mode: (row) => {
      const { children, target, mode } = spec(row);
      if (children !== undefined) return S_IFDIR | (mode ?? 0o555);
      return target === undefined ? S_IFREG | (mode ?? 0o444) : S_IFLNK | 0o777;
    },
    size: (row) => spec(link(row)).size ?? 0,
    mtime: (row) => spec(row).mtime ?? 0,
    uid: (row) => spec(row).uid ?? NONE,
    gid: (row) => spec(row).gid ?? NONE,
    nlink: (row) => (spec(row).children === undefined ? 1 : 2),
    link,
    flags: (row) => spec(row).flags ?? 0,
    source: (row) => spec(row).source ?? NONE,
    offset: (row) => spec(row).offset ?? 0,
    target: (row) => {
      const { target } = spec(row);
      return target === undefined ? undefined : Buffer.from(target);
    },
    xattrNames: (row) => Buffer.concat(Object.keys(spec(row).xattrs ?? {}).map((name) => Buffer.from(`${name}\0`))),
    xattr: (row, name) => {
      const value = spec(row).xattrs?.[name];
      return value === undefined ? undefined : Buffer.from(value);
    },
  };
}

function at(rows: readonly MemoryRow[], row: Row): MemoryRow {
  const found = rows[row];
  if (found === undefined) throw new RangeError(`no row ${row}`);
  return found;
}

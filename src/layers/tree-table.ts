import { S_IFDIR, S_IFLNK, NONE, ROW_FILTERED, type Row, type TreeTable } from "./tree.ts";
import { treeSections, type TreeColumns } from "./tree-format.ts";
import { decodeXattr, decodeXattrNames } from "./xattrs.ts";

const FORMAT_BITS = 0o170000;
/** No name is longer; damaged ones are cut here, so that no reader has to look. */
const NAME_BYTES = 255;
const METADATA_NAME = new TextEncoder().encode(".oci");

/**
 * The table in `buffer`, in constant time. Throws `malformed` for a header that does not fit the bytes. Columns are taken
 * as they are: damage in them gives wrong answers, never a read out of bounds or an endless loop. `verifyTree` tells,
 * once, whether a table from elsewhere may be believed.
 */
export function openTree(buffer: SharedArrayBuffer): TreeTable {
  const { counts, columns } = treeSections(buffer);
  const { root } = counts;
  const lookupIn = lookupOf(columns, root);
  const { parent, first, count, mode, nameEnd, names } = columns;
  const isDirectory = (row: Row): boolean => ((mode[row] ?? 0) & FORMAT_BITS) === S_IFDIR;
  const nameBytes = (row: Row): number =>
    Math.min(NAME_BYTES, Math.max(0, (nameEnd[row + 1] ?? 0) - (nameEnd[row] ?? 0)));
  const record = (row: Row): Uint8Array => {
    const source = columns.source[row] ?? NONE;
    if (source >= counts.sources) return columns.xattrs.subarray(0, 0);
    return columns.xattrs.subarray(columns.xattrEnd[source] ?? 0, columns.xattrEnd[source + 1] ?? 0);
  };
  return {
    buffer,
    rows: counts.rows,
    inodeBase: counts.inodeBase,
    sources: counts.sources,
    root,
    lookup: (directory, name) => lookupIn(directory, name, 0, name.length),
    lookupIn,
    // What lies in row 0 beside the root of the view is `.oci` alone, which is then found below that root.
    parent: (row) => (row === root || parent[row] === 0 ? root : (parent[row] ?? root)),
    firstChild: (row) => (isDirectory(row) ? (first[row] ?? NONE) : NONE),
    childCount: (row) => (isDirectory(row) ? Math.min(count[row] ?? 0, counts.rows - (first[row] ?? 0)) : 0),
    name: (row) => {
      const start = nameEnd[row] ?? 0;
      return names.subarray(start, start + nameBytes(row));
    },
    nameBytes,
    copyName: (row, into, at) => {
      const start = nameEnd[row] ?? 0;
      const length = nameBytes(row);
      for (let i = 0; i < length; i += 1) into[at + i] = names[start + i] ?? 0;
      return length;
    },
    mode: (row) => mode[row] ?? 0,
    size: (row) => columns.size[row] ?? 0,
    mtime: (row) => columns.mtime[row] ?? 0,
    uid: (row) => columns.uid[row] ?? NONE,
    gid: (row) => columns.gid[row] ?? NONE,
    nlink: (row) => columns.nlink[row] ?? 0,
    link: (row) => (isDirectory(row) ? row : (first[row] ?? row)),
    flags: (row) => columns.flags[row] ?? 0,
    source: (row) => columns.source[row] ?? NONE,
    offset: (row) => columns.offset[row] ?? 0,
    target: (row) => {
      if (((mode[row] ?? 0) & FORMAT_BITS) !== S_IFLNK) return undefined;
      const start = columns.offset[row] ?? 0;
      return columns.targets.subarray(start, start + (columns.size[row] ?? 0));
    },
    xattrNames: (row) => decodeXattrNames(record(row)),
    xattr: (row, name) => decodeXattr(record(row), name),
  };
}

function lookupOf(columns: TreeColumns, root: Row): TreeTable["lookupIn"] {
  const { first, count, mode, flags, nameEnd, names } = columns;
  const rows = mode.length;

  const search = (directory: Row, bytes: Uint8Array, start: number, end: number): Row => {
    if (((mode[directory] ?? 0) & FORMAT_BITS) !== S_IFDIR) return NONE;
    let low = first[directory] ?? 0;
    let high = Math.min(rows, low + (count[directory] ?? 0));
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = compare(middle, bytes, start, end);
      if (order === 0) return ((flags[middle] ?? 0) & ROW_FILTERED) === 0 ? middle : NONE;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return NONE;
  };

  const compare = (row: Row, bytes: Uint8Array, start: number, end: number): number => {
    const nameStart = nameEnd[row] ?? 0;
    const length = (nameEnd[row + 1] ?? 0) - nameStart;
    const wanted = end - start;
    const shared = length < wanted ? length : wanted;
    for (let i = 0; i < shared; i += 1) {
      const difference = (names[nameStart + i] ?? 0) - (bytes[start + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return length - wanted;
  };

  return (directory, bytes, start, end) => {
    const row = search(directory, bytes, start, end);
    if (row !== NONE || root === 0 || directory !== root || end - start !== METADATA_NAME.length) return row;
    return METADATA_NAME.every((byte, index) => bytes[start + index] === byte)
      ? search(0, METADATA_NAME, 0, METADATA_NAME.length)
      : NONE;
  };
}

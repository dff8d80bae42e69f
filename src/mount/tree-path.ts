import { NONE, type Row } from "../layers/tree.ts";
import { isDirectory, type TreeView } from "./tree-view.ts";

const NAME_BYTES_MAX = 255;
const REPLACEMENT = "\ufffd";

/**
 * The row of a path as libfuse gives it: absolute within the mount, decoded to text. A name that is not UTF-8 arrives with
 * U+FFFD in it; it finds the first sibling that decodes to the same.
 */
export function rowAtPath(view: TreeView, path: string): Row {
  let row = view.rootRow;
  for (const name of path.split("/")) {
    if (name === "") continue;
    if (!isDirectory(view, row)) return NONE;
    const exact = view.tree.lookup(row, Buffer.from(name, "utf8"));
    row = exact === NONE && name.includes(REPLACEMENT) ? lookupDecoded(view, row, name) : exact;
    if (row === NONE) return NONE;
  }
  return row;
}

/** Linux's limit of one name (NAME_MAX), which libfuse does not hold callers to. */
export function hasLongName(path: string): boolean {
  return path.length > NAME_BYTES_MAX && path.split("/").some((name) => Buffer.byteLength(name) > NAME_BYTES_MAX);
}

export function nameText(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString("utf8");
}

function lookupDecoded(view: TreeView, directory: Row, name: string): Row {
  const { tree } = view;
  const first = tree.firstChild(directory);
  for (let row = first; row < first + tree.childCount(directory); row += 1) {
    const bytes = tree.name(row);
    // Through `lookup`, so that what is filtered stays so.
    if (nameText(bytes) === name) return tree.lookup(directory, bytes);
  }
  return NONE;
}

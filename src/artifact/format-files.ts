import type { ByteRange } from "../bytes/range.ts";
import type { RangeSource } from "../bytes/source.ts";
import { RiffleError } from "../errors.ts";
import type { FileSet, FormatOptions } from "../formats/format.ts";
import type { FormatTarget, OpenFormatOptions } from "../formats/open.ts";
import { selectsFile, startSelection } from "../layers/globs.ts";

/** What readers of formats need to know of an artifact. */
export interface FormatTree {
  readonly reference: string;
  /** Undefined where there is nothing; `..` stays inside. */
  kind(path: string): "file" | "directory" | "symlink" | undefined;
  /** Of all files below a directory, sorted. */
  files(directory: string): readonly string[];
  /** Bytes as they are asked for: nothing is read ahead. */
  source(path: string): RangeSource;
  /** Of the layer that the file is; undefined where it is a part of one. */
  mediaType(path: string): string | undefined;
  /** The requests that ranges of a file of `size` bytes are sent as. */
  merge(ranges: readonly ByteRange[], size: number): readonly ByteRange[];
}

/** What is to be opened, and how. */
export interface FormatFile {
  readonly target: FormatTarget;
  readonly options: OpenFormatOptions;
}

/** Characters that make a path a pattern, where there is no file of that very name. */
const GLOB = /[*?[]/;

/**
 * The file, directory or pattern that a path names. A pattern's files are one table, whose partitions are the directories
 * of their whole paths; a directory's are those below it. Throws `not-found`; reads nothing.
 */
export function formatFile(tree: FormatTree, path: string, options: FormatOptions = {}): FormatFile {
  const kind = tree.kind(path);
  const mediaType = kind === "file" ? tree.mediaType(path) : undefined;
  const hint = { name: path, ...(mediaType === undefined ? {} : { mediaType }) };
  // How long each file of a set is, is not known here: its last page counts as a whole one.
  const size = kind === "file" ? tree.source(path).size : Number.MAX_SAFE_INTEGER;
  const how: OpenFormatOptions = { hint, merge: (ranges) => tree.merge(ranges, size), ...options };
  if (kind === "file") return { target: tree.source(path), options: how };
  if (kind === "directory") return { target: filesBelow(tree, path), options: how };
  if (kind === undefined && GLOB.test(path)) return { target: filesLike(tree, path), options: how };
  throw kind === undefined
    ? new RiffleError("not-found", `${tree.reference} has no path "${path}"`, {
        hint: "riffle ls -R shows all paths",
        facts: { path },
      })
    : new RiffleError("usage", `"${path}" is a symbolic link`, { hint: "name what it points to", facts: { path } });
}

function filesBelow(tree: FormatTree, directory: string): FileSet {
  const prefix = directory === "" ? "" : `${directory}/`;
  return fileSet(
    tree.files(directory).map((path) => path.slice(prefix.length)),
    (path) => tree.source(`${prefix}${path}`),
  );
}

function filesLike(tree: FormatTree, pattern: string): FileSet {
  // From the root, whatever it looks like: a pattern without a slash would be a name at any depth.
  const selection = startSelection({ include: [`/${pattern}`] });
  const paths = tree.files("").filter((path) => selectsFile(selection, path));
  if (paths.length === 0) {
    throw new RiffleError("not-found", `${tree.reference} has no file like "${pattern}"`, {
      hint: "riffle ls -R shows all paths; ** stands for any directories",
      facts: { path: pattern },
    });
  }
  return fileSet(paths, (path) => tree.source(path));
}

function fileSet(paths: readonly string[], open: (path: string) => RangeSource): FileSet {
  const known = new Set(paths);
  return { paths: paths.toSorted(), file: (path) => (known.has(path) ? open(path) : undefined) };
}

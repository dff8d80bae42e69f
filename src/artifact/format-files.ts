import type { ByteRange } from "../bytes/range.ts";
import type { RangeSource } from "../bytes/source.ts";
import { RiffleError } from "../errors.ts";
import type { FileSet, FormatOptions } from "../formats/format.ts";
import type { FormatTarget, OpenFormatOptions } from "../formats/open.ts";
import type { SharedThreads } from "../formats/shared-threads.ts";
import { selectsFile, startSelection } from "../layers/globs.ts";

/** A file whose bytes are given as they are asked for: nothing is guessed or read ahead. */
export interface PlannedSource extends RangeSource {
  /** What it read is no longer kept ready for it. It can be read on. */
  release(): void;
}

/** What readers of formats need to know of an artifact. */
export interface FormatTree {
  readonly reference: string;
  /** Undefined where there is nothing; `..` stays inside. */
  kind(path: string): "file" | "directory" | "symlink" | undefined;
  /** Of all files below a directory, sorted. */
  files(directory: string): readonly string[];
  /** No I/O. */
  source(path: string): PlannedSource;
  /** Of the layer that the file is; undefined where it is a part of one. */
  mediaType(path: string): string | undefined;
  readonly threads: SharedThreads;
  /** What a round trip is worth, in bytes. */
  roundTripBytes(): number;
  /** The requests that ranges of a file of `size` bytes are sent as. */
  merge(ranges: readonly ByteRange[], size: number): readonly ByteRange[];
}

/** What is to be opened, and how. */
export interface FormatFile {
  readonly target: FormatTarget;
  readonly options: OpenFormatOptions;
  /** To be called when it is read no more. */
  close(): void;
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
  const opened = new Map<string, PlannedSource>();
  const open = (file: string): RangeSource => {
    const source = opened.get(file) ?? tree.source(file);
    opened.set(file, source);
    return source;
  };
  const target = kind === "file" ? open(path) : filesOf(tree, { path, kind, open });
  // How long each file of a set is, is not known here: its last page counts as a whole one.
  const size = "size" in target ? target.size : Number.MAX_SAFE_INTEGER;
  const close = (): void => {
    for (const source of opened.values()) source.release();
    opened.clear();
  };
  return {
    target,
    options: {
      hint,
      threads: tree.threads,
      merge: (ranges) => tree.merge(ranges, size),
      roundTripBytes: () => tree.roundTripBytes(),
      ...options,
    },
    close,
  };
}

interface Wanted {
  readonly path: string;
  readonly kind: "directory" | "symlink" | undefined;
  readonly open: (path: string) => RangeSource;
}

function filesOf(tree: FormatTree, { path, kind, open }: Wanted): FileSet {
  if (kind === "directory") {
    const prefix = path === "" ? "" : `${path}/`;
    const names = tree.files(path).map((file) => file.slice(prefix.length));
    return fileSet(names, (name) => open(`${prefix}${name}`));
  }
  if (kind === undefined && GLOB.test(path)) return fileSet(filesLike(tree, path), open);
  throw kind === undefined
    ? new RiffleError("not-found", `${tree.reference} has no path "${path}"`, {
        hint: "riffle ls -R shows all paths",
        facts: { path },
      })
    : new RiffleError("usage", `"${path}" is a symbolic link`, { hint: "name what it points to", facts: { path } });
}

function filesLike(tree: FormatTree, pattern: string): readonly string[] {
  // From the root, whatever it looks like: a pattern without a slash would be a name at any depth.
  const selection = startSelection({ include: [`/${pattern}`] });
  const paths = tree.files("").filter((path) => selectsFile(selection, path));
  if (paths.length > 0) return paths;
  throw new RiffleError("not-found", `${tree.reference} has no file like "${pattern}"`, {
    hint: "riffle ls -R shows all paths; ** stands for any directories",
    facts: { path: pattern },
  });
}

function fileSet(paths: readonly string[], open: (path: string) => RangeSource): FileSet {
  const known = new Set(paths);
  return { paths: paths.toSorted(), file: (path) => (known.has(path) ? open(path) : undefined) };
}

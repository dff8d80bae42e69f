import type { FileSet } from "../formats/format.ts";
import type { Artifact } from "./artifact.ts";

/** The files below a directory of an artifact ("" is its root), for formats that are directories. No I/O. */
export function filesBelow(artifact: Artifact, directory: string): FileSet {
  const prefix = directory === "" ? "" : `${directory}/`;
  const paths: string[] = [];
  for (const { path, type } of artifact.entries(directory)) if (type === "file") paths.push(path.slice(prefix.length));
  const known = new Set(paths);
  return {
    paths: paths.toSorted((a, b) => (a < b ? -1 : 1)),
    file: (path) => (known.has(path) ? artifact.file(`${prefix}${path}`) : undefined),
  };
}

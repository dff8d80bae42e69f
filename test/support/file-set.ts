import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RangeSource } from "../../src/bytes/source.ts";
import type { FileSet } from "../../src/formats/format.ts";
import { loggedSource, type LoggedSource } from "./logged-source.ts";

export interface LoggedFiles extends FileSet {
  /** Of the files that were asked for. */
  readonly opened: ReadonlyMap<string, LoggedSource>;
  bytes(): number;
  requests(): number;
}

/** Files in memory that keep lists of what was asked of them. */
export function loggedFiles(files: Readonly<Record<string, Uint8Array>>): LoggedFiles {
  const opened = new Map<string, LoggedSource>();
  const sum = (of: (source: LoggedSource) => number): number =>
    [...opened.values()].reduce((all, one) => all + of(one), 0);
  return {
    paths: Object.keys(files).toSorted(),
    opened,
    file: (path): RangeSource | undefined => {
      const bytes = Object.hasOwn(files, path) ? files[path] : undefined;
      if (bytes === undefined) return undefined;
      const source = opened.get(path) ?? loggedSource(bytes, path);
      opened.set(path, source);
      return source;
    },
    bytes: () => sum((source) => source.bytes()),
    requests: () => sum((source) => source.requests()),
  };
}

/** What lies below a directory on disk. */
export function directoryFiles(directory: string): LoggedFiles {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return loggedFiles(
    Object.fromEntries(paths.map((path) => [path.slice(directory.length + 1), new Uint8Array(readFileSync(path))])),
  );
}

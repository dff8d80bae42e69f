import { Limiter } from "../../bytes/limiter.ts";
import type { ByteRange } from "../../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../../bytes/source.ts";
import { RiffleError } from "../../errors.ts";
import type { FileSet } from "../format.ts";

/** A whole value, or some bytes of it. */
export interface StorePart {
  readonly key: string;
  readonly range?: ByteRange;
}

/** Where a part lies, for plans: parts of one `file` are merged with each other. */
export interface Place {
  readonly file: string;
  readonly range: ByteRange;
}

/** The keys and values of a Zarr hierarchy, wherever they are kept. */
export interface ZarrStore {
  /** Without the path of the root. */
  readonly keys: readonly string[];
  /** Of the value; undefined where there is none. No I/O. */
  size(key: string): number | undefined;
  /** In the order asked, together. Every key must exist. */
  read(parts: readonly StorePart[], options: ReadOptions): Promise<readonly Uint8Array[]>;
  /** No I/O. */
  place(part: StorePart): Place;
}

/** Files of a directory are requested one by one, so many at once. */
const FILES_AT_ONCE = 16;
const METADATA_NAMES: ReadonlySet<string> = new Set(["zarr.json", ".zarray", ".zgroup", ".zmetadata"]);

/**
 * The directory of the one group or array that is nearest to the top among `paths`, with a slash at its end; the top itself
 * where there are several. Throws `malformed` where there is none.
 */
export function rootOf(paths: readonly string[]): string {
  const roots = new Set<string>();
  let depth = Infinity;
  for (const path of paths) {
    const at = path.lastIndexOf("/") + 1;
    if (!METADATA_NAMES.has(path.slice(at))) continue;
    const root = path.slice(0, at);
    const own = root.split("/").length;
    if (own < depth) roots.clear();
    if (own <= depth) roots.add(root);
    depth = Math.min(depth, own);
  }
  const [root, another] = roots;
  if (root === undefined)
    throw new RiffleError("malformed", "no Zarr group or array is there: no zarr.json, .zgroup or .zarray");
  return another === undefined ? root : "";
}

/** A directory, each value a file. */
export function directoryStore(files: FileSet): ZarrStore {
  // Names of arrays are paths below the directory, whatever is at its top.
  rootOf(files.paths);
  const sourceOf = (key: string): RangeSource => {
    const source = files.file(key);
    if (source === undefined)
      throw new RiffleError("not-found", `the Zarr directory has no file ${JSON.stringify(key)}`);
    return source;
  };
  const whole = (key: string): ByteRange => ({ start: 0, end: sourceOf(key).size });
  return {
    keys: files.paths,
    size: (key) => files.file(key)?.size,
    place: ({ key, range }) => ({ file: key, range: range ?? whole(key) }),
    read: async (parts, options) => {
      const limiter = new Limiter(FILES_AT_ONCE);
      const byKey = new Map<string, number[]>();
      for (const [i, { key }] of parts.entries()) {
        const taken = byKey.get(key);
        if (taken === undefined) byKey.set(key, [i]);
        else taken.push(i);
      }
      const found = Array.from(parts, (): Uint8Array => new Uint8Array());
      const read = async ([key, rows]: readonly [string, readonly number[]]): Promise<void> => {
        const ranges = rows.map((row) => parts[row]?.range ?? whole(key));
        const pieces = await sourceOf(key).readMany(ranges, options);
        for (const [i, row] of rows.entries()) found[row] = pieces[i] ?? new Uint8Array();
      };
      await Promise.all([...byKey].map((one) => limiter.run(() => read(one), options)));
      return found;
    },
  };
}

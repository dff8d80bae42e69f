import type { RangeSource } from "../../bytes/source.ts";
import type { ArrayReader } from "../array.ts";
import { NO_EXTENTS, type ExtentTable } from "../extents.ts";
import type { Fact, FileInfo, FileSet, FormatOptions } from "../format.ts";
import type { DirectoryFormatModule, FormatModule } from "../format-module.ts";
import { readHierarchy, type Hierarchy } from "./hierarchy.ts";
import { zarrReader } from "./reader.ts";
import { directoryStore } from "./store.ts";
import { unitLayout } from "./units.ts";
import { zip } from "../zip/module.ts";
import { zipStore } from "./zip-store.ts";

/** More are counted, not listed. */
const SHOWN_ARRAYS = 500;

function infoOf({ nodes, isConsolidated, groups, attributes }: Hierarchy, title: string): FileInfo {
  const arrays = nodes.slice(0, SHOWN_ARRAYS).map(({ path, array }): Fact => {
    if (typeof array === "function") return { name: path, problem: array().message };
    const { format, shape, chunks, codecs, type } = array;
    const { shard, chunks: inner } = unitLayout(array);
    return {
      name: path,
      version: format,
      shape,
      dtype: type.kind === "fixed" ? type.type.dtype : type.kind,
      chunks: inner,
      ...(shard !== undefined && { shards: chunks }),
      codecs,
    };
  });
  const broken = nodes.filter(({ array }) => typeof array === "function").length;
  return {
    format: "zarr",
    title,
    facts: {
      arrays,
      groups,
      consolidated: isConsolidated,
      // What was parsed from JSON is made of nothing but facts.
      attributes: attributes as { readonly [name: string]: Fact },
    },
    notes: [
      ...(broken > 0 ? [`${broken} arrays cannot be read`] : []),
      ...(!isConsolidated && nodes.length > 1
        ? ["the metadata is not consolidated: every array's is read when it is opened"]
        : []),
      ...(nodes.length > SHOWN_ARRAYS ? [`the first ${SHOWN_ARRAYS} of ${nodes.length} arrays are shown`] : []),
    ],
  };
}

/** A Zarr hierarchy that is a directory. */
export const zarrDirectory: DirectoryFormatModule = {
  info: async (files: FileSet, options: FormatOptions = {}): Promise<FileInfo> =>
    infoOf(await readHierarchy(directoryStore(files), options), "Zarr"),
  array: async (files: FileSet, options: FormatOptions = {}): Promise<ArrayReader> => {
    const store = directoryStore(files);
    return zarrReader({ store, hierarchy: await readHierarchy(store, options), indexBytes: 0, options });
  },
};

/** The same in one zip archive. Its extents are its members: a chunk, or a document, each. */
export const zarr: FormatModule = {
  extents: async (source: RangeSource, options: FormatOptions = {}): Promise<ExtentTable> =>
    (await zip.extents?.(source, options)) ?? NO_EXTENTS,
  info: async (source: RangeSource, options: FormatOptions = {}): Promise<FileInfo> =>
    infoOf(await readHierarchy(await zipStore(source, options), options), "Zarr in a zip archive"),
  array: async (source: RangeSource, options: FormatOptions = {}): Promise<ArrayReader> => {
    const store = await zipStore(source, options);
    return zarrReader({ store, hierarchy: await readHierarchy(store, options), indexBytes: store.indexBytes, options });
  },
};

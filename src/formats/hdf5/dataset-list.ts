import { viewOf } from "../binary.ts";
import type { LibraryFile, LibraryMetadata } from "./library-file.ts";
import { address, baseOf, layoutOf, type ObjectLayout } from "./object-layout.ts";
import type { Answers, Hdf5Dataset, Hdf5Type } from "./protocol.ts";
import type { SyncReader } from "./sync-reader.ts";
import { hdf5Type } from "./types.ts";

/** Every one costs a look into its header. */
const MAX_OBJECTS = 100_000;
const REFERENCE_BYTES = 8;
/** Deflate, shuffle, Fletcher-32, szip, n-bit and scale-offset: what the library is compiled with. */
const LAST_OWN_FILTER = 6;

export interface ListedDataset {
  readonly shown: Hdf5Dataset;
  readonly layout: ObjectLayout;
  readonly metadata: LibraryMetadata;
}

export interface DatasetList {
  readonly datasets: ReadonlyMap<string, ListedDataset>;
  readonly summary: Omit<Answers["open"], "datasets">;
}

/** All datasets below the root, each object once; what is of no readable kind comes with the reason. */
export function listDatasets({ library, file }: LibraryFile, reader: SyncReader): DatasetList {
  const base = baseOf(reader);
  const paths = library.get_names(file, "/", true);
  const datasets = new Map<string, ListedDataset>();
  let groups = 0;
  for (const given of paths.slice(0, MAX_OBJECTS)) {
    const path = given.replace(/^\/+/, "");
    const kind = library.get_type(file, `/${path}`);
    if (kind === library.H5G_GROUP) groups += 1;
    if (kind !== library.H5G_DATASET) continue;
    const metadata = library.get_dataset_metadata(file, `/${path}`);
    const found = library.get_dataset_filters(file, `/${path}`);
    const filters = found.map(({ name, id }) => name || `filter ${id}`);
    const foreign = filters.find((_, i) => (found[i]?.id ?? 0) > LAST_OWN_FILTER);
    const layout = findLayout({ library, file }, { reader, path, base });
    datasets.set(path, { shown: shownDataset({ path, metadata, filters, layout, foreign }), layout, metadata });
  }
  const isNetcdf = [...library.get_attribute_names(file, "/")].includes("_NCProperties");
  return { datasets, summary: { groups, isNetcdf, omitted: Math.max(0, paths.length - MAX_OBJECTS) } };
}

/** The library gives no addresses, but an old-style reference to an object is nothing else. */
function findLayout(
  { library, file }: Pick<LibraryFile, "library" | "file">,
  { reader, path, base }: { readonly reader: SyncReader; readonly path: string; readonly base: number | undefined },
): ObjectLayout {
  if (base === undefined) return { kind: "other" };
  try {
    const reference = Uint8Array.from(library.create_object_reference(file, `/${path}`));
    const at = reference.length === REFERENCE_BYTES ? address(viewOf(reference), 0) : undefined;
    return at === undefined ? { kind: "other" } : layoutOf(reader, { at, base });
  } catch {
    // A header that is not understood here may still be by the library.
    return { kind: "other" };
  }
}

function shownDataset({
  path,
  metadata,
  filters,
  layout,
  foreign,
}: {
  readonly path: string;
  readonly metadata: LibraryMetadata;
  readonly filters: readonly string[];
  readonly layout: ObjectLayout;
  /** A filter that the library does not have. */
  readonly foreign: string | undefined;
}): Hdf5Dataset {
  const { shape, chunks, virtual_sources: sources } = metadata;
  const found = hdf5Type(metadata);
  const refusal = (why: string): Hdf5Type => ({ kind: "unsupported", why });
  const isVirtual = sources !== undefined && sources.length > 0;
  const reasons = [
    ...(shape === null ? ["it has no dataspace"] : []),
    ...(isVirtual ? ["it is made of other files"] : []),
    ...(foreign === undefined ? [] : [`it is filtered by ${JSON.stringify(foreign)}`]),
  ];
  const type = reasons[0] === undefined ? found : refusal(reasons[0]);
  const isFlat =
    layout.kind === "contiguous" && filters.length === 0 && type.kind === "fixed" && fits({ metadata, layout });
  return {
    path,
    shape: shape ?? [],
    chunks: chunks ?? undefined,
    type,
    contiguous: isFlat ? layout.range : undefined,
    filters,
  };
}

/** A header that was read wrongly would not have the size of its elements by chance. */
function fits({ metadata, layout }: { readonly metadata: LibraryMetadata; readonly layout: ObjectLayout }): boolean {
  const bytes = (metadata.shape ?? []).reduce((product, length) => product * length, metadata.size);
  return layout.kind === "contiguous" && bytes > 0 && layout.range.end - layout.range.start >= bytes;
}

import { likelyFormats } from "../formats/detect.ts";
import type { FormatName } from "../formats/format.ts";
import { isZarrDocument } from "../formats/magic.ts";

/** Short names for counts; those of the table's titles say more than a count needs. */
const LABELS: Readonly<Record<FormatName, string>> = {
  parquet: "Parquet",
  tiff: "TIFF",
  arrow: "Arrow",
  flatgeobuf: "FlatGeobuf",
  csv: "CSV",
  ndjson: "JSON",
  npy: "NumPy",
  npz: "NumPy",
  zarr: "Zarr",
  hdf5: "HDF5",
  "netcdf-classic": "netCDF",
  safetensors: "safetensors",
  gguf: "GGUF",
  pmtiles: "PMTiles",
  zip: "zip",
  las: "LAS",
  grib2: "GRIB",
  jpeg2000: "JPEG 2000",
  duckdb: "DuckDB",
  sqlite: "SQLite",
};

/** By the end of a name: what the table of formats does not have, and names that it gives to several formats. */
const OTHER_ENDINGS: readonly (readonly [ending: string, format: string])[] = [
  [".tar.gz", "tar.gz"],
  [".tar.zst", "tar.zst"],
  [".tgz", "tar.gz"],
  [".nc", "netCDF"],
  [".nc4", "netCDF"],
  [".geojson", "GeoJSON"],
  [".json", "JSON"],
  [".yaml", "YAML"],
  [".yml", "YAML"],
  [".xml", "XML"],
  [".md", "text"],
  [".txt", "text"],
  [".png", "image"],
  [".jpg", "image"],
  [".jpeg", "image"],
  [".webp", "image"],
  [".tar", "tar"],
  [".zst", "zstd"],
  [".gz", "gzip"],
];

/** By media type, where the name says nothing and the table of formats has it not; parameters are ignored. */
const OTHER_MEDIA_TYPES: readonly (readonly [pattern: RegExp, format: string])[] = [
  [/[./+]tar[+.]gzip$|[./]tar\.gzip$/, "tar.gz"],
  [/[./+]tar\+zstd$/, "tar.zst"],
  [/geo\+json$/, "GeoJSON"],
  [/arrow\.stream$/, "Arrow"],
  [/[/+]json$/, "JSON"],
  [/[/+]xml$/, "XML"],
  [/[/+]zip$/, "zip"],
  [/[./]tar$/, "tar"],
  [/^text\//, "text"],
  [/^image\//, "image"],
];

function labelOf(hint: { readonly name: string } | { readonly mediaType: string }): string | undefined {
  const labels = new Set(likelyFormats(hint).map(({ name }) => LABELS[name]));
  return labels.size === 0 ? undefined : [...labels].join(" or ");
}

/** What a file is by its name, else by its layer's media type; undefined when neither says. No byte is read. */
export function formatOf(path: string, mediaType: string | undefined): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  if (isZarrDocument(name)) return LABELS.zarr;
  const other = OTHER_ENDINGS.find(([ending]) => name.endsWith(ending) && name.length > ending.length)?.[1];
  const byName = other ?? labelOf({ name });
  if (byName !== undefined || mediaType === undefined) return byName;
  const type = mediaType.slice(0, 255).split(";")[0]?.trim().toLowerCase() ?? "";
  return labelOf({ mediaType: type }) ?? OTHER_MEDIA_TYPES.find(([pattern]) => pattern.test(type))?.[1];
}

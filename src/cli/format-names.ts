/** By the end of a name; longer ends first where one is the end of another. */
const ENDINGS: readonly (readonly [ending: string, format: string])[] = [
  [".tar.gz", "tar.gz"],
  [".tar.zst", "tar.zst"],
  [".tgz", "tar.gz"],
  [".parquet", "Parquet"],
  [".geoparquet", "Parquet"],
  [".tif", "TIFF"],
  [".tiff", "TIFF"],
  [".fgb", "FlatGeobuf"],
  [".pmtiles", "PMTiles"],
  [".h5", "HDF5"],
  [".hdf5", "HDF5"],
  [".he5", "HDF5"],
  [".nc", "netCDF"],
  [".nc4", "netCDF"],
  [".npy", "NumPy"],
  [".npz", "NumPy"],
  [".safetensors", "safetensors"],
  [".gguf", "GGUF"],
  [".arrow", "Arrow"],
  [".feather", "Arrow"],
  [".csv", "CSV"],
  [".tsv", "CSV"],
  [".geojson", "GeoJSON"],
  [".json", "JSON"],
  [".ndjson", "JSON"],
  [".jsonl", "JSON"],
  [".yaml", "YAML"],
  [".yml", "YAML"],
  [".xml", "XML"],
  [".md", "text"],
  [".txt", "text"],
  [".png", "image"],
  [".jpg", "image"],
  [".jpeg", "image"],
  [".webp", "image"],
  [".zip", "zip"],
  [".tar", "tar"],
  [".zst", "zstd"],
  [".gz", "gzip"],
];

/** By media type, where the name says nothing; parameters are ignored. */
const MEDIA_TYPES: readonly (readonly [pattern: RegExp, format: string])[] = [
  [/[./+]tar[+.]gzip$|[./]tar\.gzip$/, "tar.gz"],
  [/[./+]tar\+zstd$/, "tar.zst"],
  [/parquet$/, "Parquet"],
  [/^image\/tiff/, "TIFF"],
  [/geo\+json$/, "GeoJSON"],
  [/pmtiles$/, "PMTiles"],
  [/flatgeobuf$/, "FlatGeobuf"],
  [/(?:x-hdf5?|netcdf)$/, "HDF5"],
  [/safetensors$/, "safetensors"],
  [/gguf$/, "GGUF"],
  [/arrow\.(?:file|stream)$/, "Arrow"],
  [/^text\/csv/, "CSV"],
  [/[/+]json$/, "JSON"],
  [/[/+]xml$/, "XML"],
  [/[/+]zip$/, "zip"],
  [/[./]tar$/, "tar"],
  [/^text\//, "text"],
  [/^image\//, "image"],
];

/** What a file is by its name, else by its layer's media type; undefined when neither says. No byte is read. */
export function formatOf(path: string, mediaType: string | undefined): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  // Zarr is a directory: the files at its top tell of it (Zarr v2 and v3 specifications).
  if (name === "zarr.json" || name === ".zgroup" || name === ".zarray" || name === ".zmetadata") return "Zarr";
  const byName = ENDINGS.find(([ending]) => name.endsWith(ending) && name.length > ending.length)?.[1];
  if (byName !== undefined || mediaType === undefined) return byName;
  const type = mediaType.slice(0, 255).split(";")[0]?.trim().toLowerCase() ?? "";
  return MEDIA_TYPES.find(([pattern]) => pattern.test(type))?.[1];
}

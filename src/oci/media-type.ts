/** The documents that a manifest request may be answered with. */
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

export const MANIFEST_TYPES: readonly string[] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

/** Lower case, without parameters: `image/tiff; application=geotiff` is `image/tiff`. */
export function bareMediaType(mediaType: string): string {
  return (mediaType.split(";", 1)[0] ?? "").trim().toLowerCase();
}

export function manifestKind(mediaType: string): "manifest" | "index" | undefined {
  const bare = bareMediaType(mediaType);
  if (bare === OCI_MANIFEST || bare === DOCKER_MANIFEST) return "manifest";
  return bare === OCI_INDEX || bare === DOCKER_LIST ? "index" : undefined;
}

/** Whole media types whose name does not tell the extension. */
const EXACT: Readonly<Record<string, string>> = {
  "application/geo+json": ".geojson",
  "application/geopackage+sqlite3": ".gpkg",
  "application/gzip": ".gz",
  "application/json": ".json",
  "application/ld+json": ".jsonld",
  "application/msgpack": ".msgpack",
  "application/netcdf": ".nc",
  "application/octet-stream": "",
  "application/pdf": ".pdf",
  "application/toml": ".toml",
  "application/vnd.apache.arrow.file": ".arrow",
  "application/vnd.apache.arrow.stream": ".arrows",
  "application/vnd.apache.parquet": ".parquet",
  "application/vnd.docker.ai.gguf.v3": ".gguf",
  "application/vnd.docker.image.rootfs.diff.tar": ".tar",
  "application/vnd.docker.image.rootfs.diff.tar.gzip": ".tar.gz",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": ".tar.gz",
  "application/vnd.flatgeobuf": ".fgb",
  "application/vnd.geo+json": ".geojson",
  "application/vnd.laszip": ".laz",
  "application/vnd.laszip+copc": ".copc.laz",
  "application/vnd.pmtiles": ".pmtiles",
  "application/vnd.sqlite3": ".sqlite",
  "application/x-geotiff": ".tif",
  "application/x-gzip": ".gz",
  "application/x-hdf": ".h5",
  "application/x-hdf5": ".h5",
  "application/x-ndjson": ".ndjson",
  "application/x-netcdf": ".nc",
  "application/x-netcdf4": ".nc",
  "application/x-numpy": ".npy",
  "application/x-parquet": ".parquet",
  "application/x-safetensors": ".safetensors",
  "application/x-sqlite3": ".sqlite",
  "application/x-tar": ".tar",
  "application/x-yaml": ".yaml",
  "application/xml": ".xml",
  "application/yaml": ".yaml",
  "application/zip": ".zip",
  "application/zstd": ".zst",
  "image/geotiff": ".tif",
  "image/gif": ".gif",
  "image/jp2": ".jp2",
  "image/jpeg": ".jpg",
  "image/png": ".png",
  "image/svg+xml": ".svg",
  "image/tiff": ".tif",
  "image/webp": ".webp",
  "text/css": ".css",
  "text/csv": ".csv",
  "text/html": ".html",
  "text/markdown": ".md",
  "text/plain": ".txt",
  "text/xml": ".xml",
  "text/yaml": ".yaml",
};

/** Ends of media types (RFC 6839 suffixes and the `.tar+gzip` custom of OCI), the most telling first. */
const ENDINGS: readonly (readonly [string, string])[] = [
  [".tar+gzip", ".tar.gz"],
  [".tar+zstd", ".tar.zst"],
  [".tar+bzip2", ".tar.bz2"],
  [".tar+xz", ".tar.xz"],
  [".tar.gzip", ".tar.gz"],
  [".tar.zstd", ".tar.zst"],
  ["+tar", ".tar"],
  [".tar", ".tar"],
  [".parquet", ".parquet"],
  ["+parquet", ".parquet"],
  [".gguf", ".gguf"],
  [".safetensors", ".safetensors"],
  ["+geo+json", ".geojson"],
  ["+json", ".json"],
  ["+xml", ".xml"],
  ["+yaml", ".yaml"],
  ["+toml", ".toml"],
  ["+zip", ".zip"],
  ["+gzip", ".gz"],
  ["+zstd", ".zst"],
  ["+cbor", ".cbor"],
  [".sif", ".sif"],
  [".squashfs", ".squashfs"],
  ["+text", ".txt"],
];

/** The file name extension with its dot, empty where the media type tells none. */
export function mediaTypeExtension(mediaType: string): string {
  const bare = bareMediaType(mediaType);
  const exact = Object.hasOwn(EXACT, bare) ? EXACT[bare] : undefined;
  return exact ?? ENDINGS.find(([ending]) => bare.endsWith(ending))?.[1] ?? "";
}

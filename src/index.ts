import { homedir } from "node:os";
import type { Artifact } from "./artifact/artifact.ts";
import { openArtifact, type OpenOptions } from "./artifact/open-artifact.ts";
import { mountArtifact, type ArtifactMount, type ArtifactMountOptions } from "./mount/mount-artifact.ts";
import { parseMirrorAddress } from "./oci/mirror-address.ts";
import { parseReference } from "./oci/reference.ts";
import type { CredentialSource } from "./registry/credential.ts";

export type { Artifact, Entry } from "./artifact/artifact.ts";
export type { ArtifactFile } from "./artifact/artifact-file.ts";
export type { ArtifactStats } from "./artifact/accounting.ts";
export { createEngine, type Engine, type EngineOptions } from "./artifact/engine.ts";
export type { FillProgress, Prefetch } from "./artifact/fill-ahead.ts";
export type { OpenOptions } from "./artifact/open-artifact.ts";
export type { ListingProgress, Unpack } from "./artifact/unpack-layers.ts";
export type { UnpackedLayer } from "./layers/archive-places.ts";
export type { ByteRange } from "./bytes/range.ts";
export { memorySource, sliceSource, type Priority, type RangeSource, type ReadOptions } from "./bytes/source.ts";
export { isRiffleError, RiffleError, type ErrorCode, type ErrorFacts } from "./errors.ts";
export type { FormatFile, FormatReaders } from "./artifact/format-readers.ts";
export type { ArrayBlock, ArrayInfo, ArrayMetadata, ArrayQuery, ArrayReader } from "./formats/array.ts";
export type { Fact, FileInfo, FileSet, FormatName, FormatOptions, FormatReader, ReadPlan } from "./formats/format.ts";
export type { FormatHint } from "./formats/formats.ts";
export { SharedThreads } from "./formats/shared-threads.ts";
export { encodeNpy } from "./formats/encode/npy.ts";
export { encodePng, type PngOptions } from "./formats/encode/png.ts";
export { encodeTiff, type TiffOptions } from "./formats/encode/tiff.ts";
export {
  openArray,
  openRaster,
  openTable,
  openTiles,
  type FormatTarget,
  type OpenFormatOptions,
} from "./formats/open.ts";
export { parsePredicate } from "./formats/predicate/parse-predicate.ts";
export type { ColumnPath, Comparison, Literal, Operand, Predicate } from "./formats/predicate/predicate.ts";
export type {
  GeoTransform,
  PixelWindow,
  RasterBand,
  RasterMetadata,
  RasterQuery,
  RasterReader,
  RasterWindow,
  Samples,
} from "./formats/raster.ts";
export type { StoredTile, TileAddress, TileMetadata, TileQuery, TileReader } from "./formats/tiles.ts";
export type { BoundingBox, TableColumn, TableMetadata, TableQuery, TableReader } from "./formats/table.ts";
export type { TreeWarning } from "./layers/names.ts";
export type { ArtifactMount, ArtifactMountOptions } from "./mount/mount-artifact.ts";
export type { Descriptor } from "./oci/descriptor.ts";
export type { Credential, CredentialSource } from "./registry/credential.ts";
export type { Mirror, MirrorCapability, MirrorReport, Mirrors } from "./registry/mirror.ts";
export type { ImageManifest, IndexManifest, Manifest } from "./oci/manifest.ts";

/** An opened artifact that can also be mounted. */
export interface OpenedArtifact extends Artifact {
  /** Mounts at an existing directory; unmounts when closed, and when the artifact is. Another process must read it. */
  mount(directory: string, options?: ArtifactMountOptions): Promise<ArtifactMount>;
}

/** What `docker login`, `podman login` and their helpers keep for a host; read when it is first asked for. */
function dockerCredentials(host: string, repository: string): CredentialSource {
  const { REGISTRY_AUTH_FILE: authFile, DOCKER_CONFIG: dockerConfig, XDG_RUNTIME_DIR: runtimeDirectory } = process.env;
  return async () => {
    const { loadCredential } = await import("./registry/load-credential.ts");
    const places = {
      home: homedir(),
      ...(authFile === undefined ? {} : { authFile }),
      ...(dockerConfig === undefined ? {} : { dockerConfig }),
      ...(runtimeDirectory === undefined ? {} : { runtimeDirectory }),
    };
    return loadCredential(host, places, { repository });
  };
}

/** Each host has its own: those given for the registry are not for its mirrors. */
function withDockerCredentials(text: string, options: OpenOptions): OpenOptions {
  const reference = parseReference(text);
  if (reference.kind === "layout") return options;
  const { host, repository } = reference;
  const mirrors = (options.mirrors?.[host] ?? []).map((mirror) => {
    const name = parseMirrorAddress(mirror.host)?.host ?? mirror.host;
    return { ...mirror, credentials: mirror.credentials ?? dockerCredentials(name, repository) };
  });
  const credentials = options.credentials ?? dockerCredentials(host, repository);
  return { ...options, credentials, ...(mirrors.length === 0 ? {} : { mirrors: { [host]: mirrors } }) };
}

/**
 * Opens what `reference` names: resolves it, pins the digest, and fetches the manifest. Rejects with a `RiffleError`.
 * Nothing is printed; the cache is `options.cacheDir`, or memory alone without it. Credentials
 * are `options.credentials`, or those of the Docker and Podman files.
 */
export async function open(reference: string, options: OpenOptions = {}): Promise<OpenedArtifact> {
  const artifact = await openArtifact(reference, withDockerCredentials(reference, options));
  const mounts = new Set<ArtifactMount>();
  const mount = async (directory: string, mountOptions?: ArtifactMountOptions): Promise<ArtifactMount> => {
    const mounted = await mountArtifact(artifact, {
      ...mountOptions,
      mountpoint: directory,
      threads: options.engine?.threads,
    });
    mounts.add(mounted);
    void mounted.ended.then(() => mounts.delete(mounted));
    return mounted;
  };
  const close = async (): Promise<void> => {
    await Promise.all([...mounts].map((mounted) => mounted.close()));
    await artifact.close();
  };
  return { ...artifact, mount, close, [Symbol.asyncDispose]: close };
}

import type { ByteRange } from "../bytes/range.ts";
import type { RangeSource, ReadOptions } from "../bytes/source.ts";
import type { Manifest } from "../oci/manifest.ts";
import { RiffleError } from "../errors.ts";
import type { ArtifactStats } from "./accounting.ts";
import type { Served } from "./served.ts";

export interface OpenOptions {
  readonly cacheDir?: string | undefined;
  readonly noCache?: boolean;
  readonly cacheBytes?: number;
  readonly platform?: string;
  readonly plainHttp?: boolean;
  readonly insecure?: boolean;
  readonly caFile?: string;
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly credentialPlaces?: unknown;
  readonly proxies?: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
  readonly frugal?: boolean;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly subpath?: string;
  readonly signal?: AbortSignal;
  readonly log?: (level: "debug" | "info" | "warn" | "error", message: string) => void;
}

export interface Entry {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink";
  readonly size: number;
  readonly mode: number;
  readonly mtime: number;
  readonly digest?: string;
  readonly target?: string;
}

export interface ArtifactFile extends RangeSource {
  readonly path: string;
  readonly digest: string;
  stream(options?: ReadOptions): AsyncIterable<Uint8Array>;
  bytes(range?: ByteRange): Promise<Uint8Array>;
}

export interface Artifact extends AsyncDisposable {
  readonly reference: string;
  readonly digest: string;
  readonly warnings: readonly { readonly message: string }[];
  readonly manifest: Manifest;
  readonly served: Served;
  entries(path?: string): Iterable<Entry>;
  entry(path: string): Entry | undefined;
  file(path: string): ArtifactFile;
  stats(): ArtifactStats;
  close(): Promise<void>;
}

export function openArtifact(reference: string, options: OpenOptions = {}): Promise<Artifact> {
  return Promise.reject(new RiffleError("internal", `cannot open ${reference}`, { cause: options }));
}

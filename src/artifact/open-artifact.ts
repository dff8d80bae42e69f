import { RiffleError } from "../errors.ts";
import type { Artifact } from "./artifact.ts";

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

export function openArtifact(reference: string, options: OpenOptions = {}): Promise<Artifact> {
  return Promise.reject(new RiffleError("internal", `cannot open ${reference}`, { cause: options }));
}

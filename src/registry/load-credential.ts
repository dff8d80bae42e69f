import { join } from "node:path";
import { isRiffleError } from "../errors.ts";
import type { Credential } from "./credential.ts";
import { findInAuths, helperFor, keyOf, readCredentialFile, type CredentialDocument } from "./credential-file.ts";
import { askHelper, type HelperOptions } from "./credential-helper.ts";

/** Where credentials may lie (INTERFACE section 5). All are given: nothing is read from the environment here. */
export interface CredentialPlaces {
  /** `--registry-config`: when given, the only place. */
  readonly registryConfig?: string;
  /** `$REGISTRY_AUTH_FILE`. */
  readonly authFile?: string;
  /** `$DOCKER_CONFIG`, a directory. */
  readonly dockerConfig?: string;
  /** The home directory, for `.docker/config.json`. */
  readonly home?: string;
  /** `$XDG_RUNTIME_DIR`, for `containers/auth.json`. */
  readonly runtimeDirectory?: string;
}

export interface LoadOptions extends HelperOptions {
  /** For Podman's credentials of one namespace or repository. */
  readonly repository?: string;
  /** Told of a helper that fails or hangs, which then counts as having none; without it such a helper is an error. */
  readonly warn?: (message: string) => void;
}

/** The files that are asked, in order. */
export function credentialFiles(places: CredentialPlaces): readonly string[] {
  if (places.registryConfig !== undefined) return [places.registryConfig];
  const { authFile, dockerConfig, home, runtimeDirectory } = places;
  const files = [
    authFile,
    dockerConfig === undefined ? undefined : join(dockerConfig, "config.json"),
    home === undefined ? undefined : join(home, ".docker/config.json"),
    runtimeDirectory === undefined ? undefined : join(runtimeDirectory, "containers/auth.json"),
  ];
  return [...new Set(files.filter((file) => file !== undefined))];
}

/**
 * What the user has for `host`, from the first place that has something; undefined means anonymous. In a file a helper
 * counts before `auths`. Throws `credentials` for a file that cannot be read or parsed, with one clause that names it.
 */
export async function loadCredential(
  host: string,
  places: CredentialPlaces,
  options: LoadOptions = {},
): Promise<Credential | undefined> {
  for (const file of credentialFiles(places)) {
    const document = await readCredentialFile(file);
    if (document === undefined) continue;
    const { repository } = options;
    const credential =
      (await fromHelper(document, { host, file }, options)) ??
      findInAuths(document, repository === undefined ? { host, file } : { host, repository, file });
    if (credential !== undefined) return credential;
  }
  return undefined;
}

async function fromHelper(
  document: CredentialDocument,
  target: { readonly host: string; readonly file: string },
  options: LoadOptions,
): Promise<Credential | undefined> {
  const helper = helperFor(document, target.host, target.file);
  if (helper === undefined) return undefined;
  try {
    return await askHelper(helper, keyOf(target.host), options);
  } catch (error) {
    if (options.warn === undefined || !isRiffleError(error)) throw error;
    options.warn(error.message);
    return undefined;
  }
}

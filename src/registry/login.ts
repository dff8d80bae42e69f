import { isRiffleError, RiffleError } from "../errors.ts";
import { basicAuthorization, type Credential } from "./credential.ts";
import { connectRegistry, type RegistryOptions } from "./open-registry.ts";
import { askRegistry, isWebPage, misbehaved } from "./registry-http.ts";

/** `/v2/` answers `{}`; a web page may be longer. */
const MAX_PING_BYTES = 1024 * 1024;

export interface LoginCheck {
  /** False when the registry asked for nothing: then the credentials are neither right nor wrong. */
  readonly proven: boolean;
  readonly scheme: "anonymous" | "basic" | "bearer";
}

/**
 * Proves credentials against the registry's `/v2/`. Rejects `credentials` when they are refused, `misbehaved` when no
 * registry answers there.
 */
export async function checkLogin(
  host: string,
  credential: Credential,
  options: RegistryOptions = {},
): Promise<LoginCheck> {
  if (basicAuthorization(credential) === undefined && credential.identityToken === undefined)
    throw new RiffleError("usage", "a login needs a user name and a password");
  const credentials = (): Promise<Credential> => Promise.resolve(credential);
  const connection = connectRegistry({ host, scope: "" }, { ...options, credentials });
  try {
    const answer = await askRegistry(
      { path: "v2/", kind: "other", accept: "application/json", what: "the login", limit: MAX_PING_BYTES },
      { ...options, ...connection },
    );
    if (answer.status !== 200 || isWebPage(answer)) {
      throw misbehaved(await connection.endpoint.base(), `does not look like a registry: ${answer.status} for /v2/`);
    }
    const scheme = connection.authorizer.kind;
    return { proven: scheme !== "anonymous", scheme };
  } catch (error) {
    if (!isRiffleError(error) || error.code !== "credentials") throw error;
    // The general way out is to log in, which is what was tried.
    const hint = "check the user name and the password; some registries want an access token in its place";
    throw new RiffleError("credentials", error.message, { hint, facts: error.facts, cause: error });
  } finally {
    await connection.close();
  }
}

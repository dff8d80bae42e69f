/** What a user has for one registry. A registry token goes out as it is, an identity token is exchanged for tokens. */
export interface Credential {
  readonly username?: string;
  readonly password?: string;
  /** An OAuth2 refresh token (`identitytoken` of the Docker configuration, user `<token>` of a helper). */
  readonly identityToken?: string;
  /** A bearer token (`registrytoken`). */
  readonly registryToken?: string;
}

/** Asked once, when a registry first demands credentials; undefined means anonymous. */
export type CredentialSource = (signal?: AbortSignal) => Promise<Credential | undefined>;

/** RFC 7617, UTF-8. Undefined without a user and a password. */
export function basicAuthorization(credential: Credential | undefined): string | undefined {
  if (credential?.username === undefined || credential.password === undefined) return undefined;
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`, "utf8").toString("base64")}`;
}

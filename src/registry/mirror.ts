import type { Credential, CredentialSource } from "./credential.ts";

/** A host that is asked before a registry itself. What it gives is as untrusted as anything from a network. */
export interface Mirror {
  /**
   * `https://HOST[:PORT]`, `http://HOST[:PORT]`, or `HOST[:PORT]` as a reference names it; a path behind it comes before the
   * names of repositories (a proxy project).
   */
  readonly host: string;
  /** Tell it which registry is meant: `?ns=HOST` on manifests and blobs. Default true. */
  readonly ns?: boolean;
  /** `resolve`: it may say what a tag is. `pull`: it is asked for what has a digest. Default both. */
  readonly capabilities?: readonly MirrorCapability[];
  readonly caFile?: string;
  readonly insecure?: boolean;
  /** Its own. The registry's are never sent to it. */
  readonly credentials?: Credential | CredentialSource;
}

export type MirrorCapability = "pull" | "resolve";

/** By the registry's host, as references name it (`docker.io`); in the order in which they are asked. */
export type Mirrors = Readonly<Record<string, readonly Mirror[]>>;

/** What has become of a mirror so far. */
export interface MirrorReport {
  readonly host: string;
  /** `left`: it gave wrong bytes and is not asked any more. */
  readonly state: "unused" | "answered" | "failed" | "left";
  /** Why it failed, or was left. */
  readonly message?: string;
}

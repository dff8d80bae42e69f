import { SingleFlight } from "../bytes/flight.ts";
import type { Authorizer, ChallengeOptions, HttpClient, HttpResponse } from "../fetch/http.ts";
import { parseChallenges, type Challenge } from "./challenge.ts";
import { basicAuthorization, type Credential, type CredentialSource } from "./credential.ts";
import type { Endpoint } from "./endpoint.ts";
import { fetchToken, type Token } from "./token.ts";

export interface AuthorizerOptions {
  readonly client: HttpClient;
  readonly endpoint: Endpoint;
  /** Asked for when a challenge names none, such as `repository:eo/scenes:pull`. */
  readonly scope: string;
  readonly credentials?: CredentialSource;
  readonly now?: () => number;
}

type State =
  | { readonly kind: "anonymous" }
  | { readonly kind: "basic"; readonly header: string }
  | { readonly kind: "bearer"; readonly challenge: Challenge; readonly token: Token };

/** How the registry asked for credentials, undefined before it did. */
export interface RegistryAuthorizer extends Authorizer {
  readonly kind: "anonymous" | "basic" | "bearer";
}

/**
 * Anonymous until the registry objects, then Basic or Bearer as it demands; one token serves all requests of the
 * repository, is renewed before it ends, and is fetched once however many wait for it.
 */
export function createAuthorizer(options: AuthorizerOptions): RegistryAuthorizer {
  return new ChallengeAuthorizer(options);
}

class ChallengeAuthorizer implements RegistryAuthorizer {
  readonly #options: AuthorizerOptions;
  readonly #now: () => number;
  readonly #renewals = new SingleFlight<"renew", boolean>();
  #state: State = { kind: "anonymous" };
  #credential: { readonly value: Credential | undefined } | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  get kind(): State["kind"] {
    return this.#state.kind;
  }

  async headers(url: URL, signal?: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const base = await this.#options.endpoint.base(signal);
    if (url.origin !== base.origin || this.#state.kind === "anonymous") return {};
    if (this.#state.kind === "basic") return { authorization: this.#state.header };
    const { challenge, token } = this.#state;
    if (token.renewAt <= this.#now())
      await this.#renewals.run("renew", (inner) => this.#renew(challenge, inner), signal);
    const renewed: State = this.#state;
    return renewed.kind === "bearer" ? { authorization: `Bearer ${renewed.token.value}` } : {};
  }

  async challenged(url: URL, response: HttpResponse, { sent, signal }: ChallengeOptions): Promise<boolean> {
    const base = await this.#options.endpoint.base(signal);
    // What a redirect's target demands must not decide what the registry is told.
    if (url.origin !== base.origin) return false;
    const challenges = parseChallenges(response.headers["www-authenticate"]);
    const state = this.#state;
    if (state.kind === "bearer" && sent["authorization"] !== `Bearer ${state.token.value}`) return true;
    return this.#renewals.run("renew", (inner) => this.#answer(challenges, inner), signal);
  }

  async #answer(challenges: readonly Challenge[], signal: AbortSignal): Promise<boolean> {
    const bearer = challenges.find((one) => one.scheme === "bearer" && one.parameters.has("realm"));
    if (bearer !== undefined) return this.#renew(bearer, signal);
    const basic = challenges.some((one) => one.scheme === "basic");
    const header = basic ? basicAuthorization(await this.#known(signal)) : undefined;
    if (header === undefined || this.#state.kind === "basic") return false;
    this.#state = { kind: "basic", header };
    return true;
  }

  async #renew(challenge: Challenge, signal: AbortSignal): Promise<boolean> {
    const credential = await this.#known(signal);
    if (credential?.registryToken !== undefined) {
      if (this.#state.kind === "bearer") return false;
      const token = { value: credential.registryToken, renewAt: Number.POSITIVE_INFINITY };
      this.#state = { kind: "bearer", challenge, token };
      return true;
    }
    const token = await fetchToken({
      client: this.#options.client,
      registry: await this.#options.endpoint.base(signal),
      challenge,
      scope: this.#options.scope,
      ...(credential === undefined ? {} : { credential }),
      now: this.#now,
      signal,
    });
    if (token.refresh !== undefined && credential?.identityToken !== undefined)
      this.#credential = { value: { ...credential, identityToken: token.refresh } };
    this.#state = { kind: "bearer", challenge, token };
    return true;
  }

  async #known(signal: AbortSignal): Promise<Credential | undefined> {
    this.#credential ??= { value: await this.#options.credentials?.(signal) };
    return this.#credential.value;
  }
}

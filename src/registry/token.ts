import { RiffleError } from "../errors.ts";
import type { HttpClient, HttpResponse } from "../fetch/http.ts";
import { redirectTarget } from "../fetch/redirect.ts";
import { retryAfterMs } from "../fetch/retry.ts";
import { parseJsonObject, type JsonObject } from "../oci/parse-json.ts";
import type { Challenge } from "./challenge.ts";
import { basicAuthorization, type Credential } from "./credential.ts";
import { readBody } from "./body.ts";

/** A bearer token and when it is renewed (ms since the epoch). */
export interface Token {
  readonly value: string;
  readonly renewAt: number;
  /** A new refresh token, where the server rotates them. */
  readonly refresh?: string;
}

export interface TokenRequest {
  readonly client: HttpClient;
  /** The registry that sent the challenge. */
  readonly registry: URL;
  readonly challenge: Challenge;
  /** What is asked for when the challenge names no scope; empty for a login check. */
  readonly scope: string;
  readonly credential?: Credential;
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

/** Distribution token specification: a token without `expires_in` lives 60 s. */
const DEFAULT_LIFE_S = 60;
/** Renewed after this part of its life, so that no request starts with a token about to end (containerd does the same). */
const USED_LIFE = 0.9;
/** Tokens are kilobytes; a megabyte is an attack or a web page. */
const MAX_TOKEN_BYTES = 1024 * 1024;
/** Token servers that do not take POST: GCR 404, JFrog 401, ACR 400, others 405. */
const NO_POST: ReadonlySet<number> = new Set([400, 401, 404, 405]);

/**
 * Asks the realm of a Bearer challenge for a token (distribution specification, "token" and "oauth2"). Rejects with
 * `credentials` when it refuses, `misbehaved` when the realm is not one that this registry may name.
 */
export async function fetchToken(request: TokenRequest): Promise<Token> {
  const realm = realmOf(request);
  const refresh = request.credential?.identityToken;
  if (refresh !== undefined) {
    const answer = await sendPost(realm, refresh, request);
    if (answer.status === 200) return readToken(answer, realm, request);
    answer.discard();
    if (!NO_POST.has(answer.status)) throw tokenError(answer, realm, request);
  }
  const answer = await sendGet(realm, request);
  if (answer.status === 200) return readToken(answer, realm, request);
  answer.discard();
  throw tokenError(answer, realm, request);
}

function realmOf(request: TokenRequest): URL {
  const text = request.challenge.parameters.get("realm");
  try {
    // A realm is as untrusted as a redirect, and bound by the same rules.
    return redirectTarget(request.registry, text, { host: request.registry.host });
  } catch (error) {
    throw new RiffleError("misbehaved", `${request.registry.host} names a place for tokens that it may not name`, {
      facts: { host: request.registry.host },
      cause: error,
    });
  }
}

function parametersOf(request: TokenRequest): URLSearchParams {
  const { challenge, scope } = request;
  const parameters = new URLSearchParams();
  const service = challenge.parameters.get("service");
  if (service !== undefined) parameters.set("service", service);
  // Joined scopes are sent apart; the challenge's own, which is what is missing, comes first.
  for (const one of (challenge.parameters.get("scope") ?? scope).split(" ").slice(0, 16)) {
    if (one !== "") parameters.append("scope", one);
  }
  return parameters;
}

function sendPost(realm: URL, refresh: string, request: TokenRequest): Promise<HttpResponse> {
  const parameters = parametersOf(request);
  const scopes = parameters.getAll("scope").join(" ");
  parameters.delete("scope");
  if (scopes !== "") parameters.set("scope", scopes);
  parameters.set("grant_type", "refresh_token");
  parameters.set("refresh_token", refresh);
  parameters.set("client_id", "riffle");
  return request.client.send(realm, {
    kind: "token",
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
    body: parameters.toString(),
    namedBy: request.registry,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
}

function sendGet(realm: URL, request: TokenRequest): Promise<HttpResponse> {
  const url = new URL(realm);
  for (const [name, value] of parametersOf(request)) url.searchParams.append(name, value);
  const { credential } = request;
  const asBasic = basicAuthorization(
    // Servers without POST take an identity token as the password of its user.
    credential?.identityToken === undefined
      ? credential
      : { username: credential.username ?? "<token>", password: credential.password ?? credential.identityToken },
  );
  return request.client.send(url, {
    kind: "token",
    headers: { accept: "application/json", ...(asBasic === undefined ? {} : { authorization: asBasic }) },
    namedBy: request.registry,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
}

async function readToken(answer: HttpResponse, realm: URL, request: TokenRequest): Promise<Token> {
  const what = `the token answer of ${realm.host}`;
  const bytes = await readBody(answer, { limit: MAX_TOKEN_BYTES, what });
  let document: JsonObject;
  try {
    document = parseJsonObject(bytes, what);
  } catch (error) {
    throw new RiffleError("misbehaved", `${realm.host} answered a token request with something else`, { cause: error });
  }
  const value = [document["token"], document["access_token"]].find((one) => typeof one === "string" && one !== "");
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) {
    throw new RiffleError("misbehaved", `${realm.host} answered a token request without a token`);
  }
  const refresh = document["refresh_token"];
  const renewAt = request.now() + lifeOf(document, answer) * USED_LIFE * 1000;
  return typeof refresh === "string" && refresh !== "" ? { value, renewAt, refresh } : { value, renewAt };
}

/**
 * Seconds that are left. `issued_at` counts against the server's own clock (its Date header), not ours: clocks differ by
 * more than tokens live.
 */
function lifeOf(document: JsonObject, answer: HttpResponse): number {
  const stated = document["expires_in"];
  const life = typeof stated === "number" && Number.isFinite(stated) && stated > 0 ? stated : DEFAULT_LIFE_S;
  const issued = typeof document["issued_at"] === "string" ? Date.parse(document["issued_at"]) : Number.NaN;
  const age = (Date.parse(answer.headers["date"] ?? "") - issued) / 1000;
  return Number.isFinite(age) && age > 0 && age < life ? life - age : life;
}

function tokenError(answer: HttpResponse, realm: URL, request: TokenRequest): RiffleError {
  const { status } = answer;
  const facts = { host: request.registry.host, realm: realm.host, status };
  if (status === 401 || status === 403) {
    const isAnonymous = request.credential === undefined;
    const says = isAnonymous ? "gives no anonymous access" : "refuses these credentials";
    const hint = isAnonymous ? `riffle login ${request.registry.host}` : "log in again";
    return new RiffleError("credentials", `${request.registry.host} ${says} (${realm.host} answered ${status})`, {
      facts,
      hint,
    });
  }
  const waitMs = retryAfterMs(answer.headers["retry-after"], request.now());
  return new RiffleError("misbehaved", `${realm.host} answered ${status} to a token request`, {
    facts: waitMs > 0 ? { ...facts, retryAfterMs: waitMs } : facts,
  });
}

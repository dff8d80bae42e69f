import { randomBytes } from "node:crypto";
import { errorAnswer, jsonAnswer, type Answer } from "./answer.ts";
import type { RegistryAuth } from "./options.ts";

const DEFAULT_TOKEN_MS = 300_000;

interface Token {
  readonly scopes: readonly string[];
  readonly expires: number;
}

export interface Gate {
  /** The refusal of a request that may not pass, or undefined. `host` is where the client reached us. */
  refuse(request: GateRequest): Answer | undefined;
  /** `GET /token`, or `POST` with the form of OAuth2. */
  token(request: TokenRequest): Answer;
  /** Every token given so far is void. */
  revoke(): void;
}

interface TokenRequest {
  readonly authorization?: string | undefined;
  readonly scopes: readonly string[];
  /** Of a POST. */
  readonly form?: URLSearchParams;
}

export interface GateRequest {
  readonly host: string;
  readonly authorization?: string | undefined;
  readonly repository?: string | undefined;
  readonly action: "pull" | "push";
}

function basicMatches(header: string | undefined, name: string, password: string): boolean {
  const [scheme = "", value = ""] = (header ?? "").split(" ");
  return scheme.toLowerCase() === "basic" && Buffer.from(value, "base64").toString() === `${name}:${password}`;
}

/** The Docker token protocol (distribution "token authentication") and plain Basic. */
export function createGate(auth: () => RegistryAuth): Gate {
  const tokens = new Map<string, Token>();

  const holds = (header: string | undefined, scope: { repository?: string | undefined; action: string }): boolean => {
    const [scheme = "", value = ""] = (header ?? "").split(" ");
    const token = scheme.toLowerCase() === "bearer" ? tokens.get(value) : undefined;
    if (token === undefined || token.expires <= Date.now()) return false;
    if (scope.repository === undefined) return true;
    return token.scopes.some((text) => {
      const match = /^repository:(.+):([^:]*)$/.exec(text);
      return match?.[1] === scope.repository && (match?.[2] ?? "").split(",").includes(scope.action);
    });
  };

  return {
    refuse({ host, authorization, repository, action }) {
      const rule = auth();
      if (rule.kind === "none") return undefined;
      if (rule.kind === "basic") {
        if (basicMatches(authorization, rule.username, rule.password)) return undefined;
        return errorAnswer(401, "UNAUTHORIZED", { "WWW-Authenticate": 'Basic realm="riffle test registry"' });
      }
      if (holds(authorization, { repository, action })) return undefined;
      const scope =
        repository === undefined ? "" : `,scope="repository:${repository}:${action === "push" ? "pull,push" : "pull"}"`;
      const bearer = `Bearer realm="http://${host}/token",service="riffle-test"${scope}`;
      return errorAnswer(401, "UNAUTHORIZED", {
        "WWW-Authenticate": rule.alsoBasic === true ? [bearer, 'Basic realm="riffle test registry"'] : bearer,
      });
    },
    token({ authorization, scopes, form }) {
      const rule = auth();
      if (rule.kind !== "bearer") return errorAnswer(404, "UNSUPPORTED");
      const { identityToken, postStatus = 404 } = rule;
      const byRefresh = identityToken !== undefined && form?.get("refresh_token") === identityToken;
      if (form !== undefined && !byRefresh) return errorAnswer(postStatus, "UNSUPPORTED");
      const open = rule.username === undefined && identityToken === undefined;
      const byPassword = basicMatches(authorization, rule.username ?? "<token>", rule.password ?? identityToken ?? "");
      if (!open && !byRefresh && !byPassword)
        return errorAnswer(401, "UNAUTHORIZED", { "WWW-Authenticate": 'Basic realm="riffle test tokens"' });
      const token = randomBytes(24).toString("base64url");
      const life = rule.tokenMs ?? DEFAULT_TOKEN_MS;
      tokens.set(token, { scopes, expires: Date.now() + life });
      return jsonAnswer(200, {
        ...(rule.member === "access_token" ? {} : { token }),
        ...(rule.member === "token" ? {} : { access_token: token }),
        ...(rule.tellsLife === false ? {} : { expires_in: Math.max(1, Math.floor(life / 1000)) }),
      });
    },
    revoke: () => tokens.clear(),
  };
}

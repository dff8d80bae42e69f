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
  /** `GET /token`. */
  token(request: { readonly authorization?: string | undefined; readonly scopes: readonly string[] }): Answer;
  /** Every token given so far is void. */
  revoke(): void;
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
      return errorAnswer(401, "UNAUTHORIZED", {
        "WWW-Authenticate": `Bearer realm="http://${host}/token",service="riffle-test"${scope}`,
      });
    },
    token({ authorization, scopes }) {
      const rule = auth();
      if (rule.kind !== "bearer") return errorAnswer(404, "UNSUPPORTED");
      const open = rule.username === undefined;
      if (!open && !basicMatches(authorization, rule.username ?? "", rule.password ?? ""))
        return errorAnswer(401, "UNAUTHORIZED", { "WWW-Authenticate": 'Basic realm="riffle test tokens"' });
      const token = randomBytes(24).toString("base64url");
      const life = rule.tokenMs ?? DEFAULT_TOKEN_MS;
      tokens.set(token, { scopes, expires: Date.now() + life });
      return jsonAnswer(200, { token, access_token: token, expires_in: Math.max(1, Math.floor(life / 1000)) });
    },
    revoke: () => tokens.clear(),
  };
}

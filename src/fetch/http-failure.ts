import { abortError, isRiffleError, RiffleError, type ErrorCode } from "../errors.ts";

/** Why no answer came, for `facts.reason` of the error: callers decide by it, never by a message. */
export type FailureReason =
  | "unknown-host"
  | "refused"
  | "no-route"
  | "timeout"
  | "certificate"
  | "tls-not-spoken"
  | "tls"
  | "proxy"
  | "reset"
  | "not-http"
  | "aborted"
  | "other";

interface Verdict {
  readonly code: ErrorCode;
  readonly reason: FailureReason;
  readonly says: string;
  readonly hint?: string;
}

const RESET: Verdict = { code: "unreachable", reason: "reset", says: "closed the connection" };
const TIMEOUT: Verdict = { code: "timeout", reason: "timeout", says: "did not accept a connection in time" };
const NO_ROUTE: Verdict = { code: "unreachable", reason: "no-route", says: "cannot be reached from this network" };
const NO_TLS: Verdict = {
  code: "unreachable",
  reason: "tls-not-spoken",
  says: "does not speak TLS",
  hint: "use --plain-http if this registry serves HTTP only",
};
const UNKNOWN_HOST: Verdict = {
  code: "unreachable",
  reason: "unknown-host",
  says: "is not a known host name",
  hint: "check the spelling, the network and the proxy settings",
};

const BY_CODE: Readonly<Record<string, Verdict>> = {
  ENOTFOUND: UNKNOWN_HOST,
  EAI_AGAIN: { ...UNKNOWN_HOST, says: "could not be looked up: the name server does not answer" },
  ECONNREFUSED: {
    code: "unreachable",
    reason: "refused",
    says: "refused the connection",
    hint: "is it running there?",
  },
  EHOSTUNREACH: NO_ROUTE,
  ENETUNREACH: NO_ROUTE,
  EADDRNOTAVAIL: NO_ROUTE,
  ETIMEDOUT: TIMEOUT,
  UND_ERR_CONNECT_TIMEOUT: TIMEOUT,
  ECONNRESET: RESET,
  EPIPE: RESET,
  UND_ERR_SOCKET: RESET,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: { ...RESET, says: "ended its answer before the end" },
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_UNKNOWN_PROTOCOL: NO_TLS,
  ERR_SSL_HTTP_REQUEST: NO_TLS,
  UND_ERR_HEADERS_OVERFLOW: { code: "misbehaved", reason: "not-http", says: "sent too many headers" },
  UND_ERR_CLOSED: { code: "closed", reason: "other", says: "was asked after the client was closed" },
  UND_ERR_DESTROYED: { code: "closed", reason: "other", says: "was asked after the client was closed" },
};

/** OpenSSL's verification results as Node names them (X509_V_ERR_*), in words. */
const CERTIFICATE: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "signed by an authority this machine does not know",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "signed by an authority this machine does not know",
  UNABLE_TO_GET_ISSUER_CERT: "signed by an authority this machine does not know",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "signed by an authority this machine does not know",
  CERT_HAS_EXPIRED: "expired",
  CERT_NOT_YET_VALID: "not valid yet",
  CERT_REVOKED: "revoked",
  ERR_TLS_CERT_ALTNAME_INVALID: "for another host name",
};

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code !== "") return code;
  // Both addresses of a host failed: the first says why as well as any.
  return error instanceof AggregateError ? codeOf(error.errors[0]) : codeOf(error.cause);
}

function judge(error: unknown): Verdict {
  const code = codeOf(error);
  const known = BY_CODE[code];
  // TLS handshakes that are cut short carry ECONNRESET and this sentence (node:tls).
  const cutHandshake = error instanceof Error && error.message.includes("before secure TLS connection");
  if (cutHandshake) return { ...NO_TLS, says: "closed the connection during the TLS handshake" };
  if (known !== undefined) return known;
  const flaw = CERTIFICATE[code];
  if (flaw !== undefined) {
    return {
      code: "unreachable",
      reason: "certificate",
      says: `has a certificate that is ${flaw} (${code})`,
      hint: "trust its authority with --ca-file FILE, or skip the check with --insecure",
    };
  }
  if (code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS") || code === "EPROTO") {
    return { code: "unreachable", reason: "tls", says: `failed the TLS handshake (${code})` };
  }
  if (code.startsWith("HPE_") || (error instanceof Error && error.name === "HTTPParserError")) {
    return { code: "misbehaved", reason: "not-http", says: "did not answer in HTTP" };
  }
  const proxy = error instanceof Error ? /^Proxy response \((\d+)\)/.exec(error.message) : null;
  if (proxy !== null) {
    return { code: "unreachable", reason: "proxy", says: `is not served by the proxy, which answered ${proxy[1]}` };
  }
  return { code: "unreachable", reason: "other", says: code === "" ? "could not be asked" : `failed with ${code}` };
}

/** Turns what the transport threw into the one error that crosses rooms. Names the host, never the path or the query. */
export function httpFailure(error: unknown, host: string, signal?: AbortSignal): RiffleError {
  if (isRiffleError(error)) return error;
  if (signal?.aborted === true) return abortError(signal);
  const { code, reason, says, hint } = judge(error);
  return new RiffleError(code, `${host} ${says}`, {
    facts: { host, reason },
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}

/** A wait of ours that ran out; `what` completes "HOST ...". */
export function httpTimeout(host: string, what: string, waitedMs: number): RiffleError {
  return new RiffleError("timeout", `${host} ${what} within ${waitedMs / 1000} s`, {
    facts: { host, reason: "timeout", waitedMs },
  });
}

/** The reason of an error made here, undefined for any other. */
export function failureReason(error: unknown): FailureReason | undefined {
  if (!isRiffleError(error)) return undefined;
  const reason = error.facts["reason"];
  // Only this module writes `reason` beside `host`.
  return typeof reason === "string" && "host" in error.facts ? (reason as FailureReason) : undefined;
}

import { expect, test } from "vitest";
import { RiffleError } from "../../src/errors.ts";
import { failureReason, httpFailure, httpTimeout } from "../../src/fetch/http-failure.ts";

const coded = (code: string, message = "secret?token=1"): Error => Object.assign(new Error(message), { code });

test.each([
  ["ENOTFOUND", "unreachable", "unknown-host", /not a known host/],
  ["EAI_AGAIN", "unreachable", "unknown-host", /name server/],
  ["ECONNREFUSED", "unreachable", "refused", /refused the connection/],
  ["EHOSTUNREACH", "unreachable", "no-route", /cannot be reached/],
  ["UND_ERR_CONNECT_TIMEOUT", "timeout", "timeout", /in time/],
  ["ECONNRESET", "unreachable", "reset", /closed the connection/],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "unreachable", "reset", /before the end/],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "unreachable", "tls-not-spoken", /does not speak TLS/],
  ["ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR", "unreachable", "tls", /TLS handshake/],
  ["CERT_HAS_EXPIRED", "unreachable", "certificate", /expired/],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "unreachable", "certificate", /self-signed/],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "unreachable", "certificate", /another host name/],
  ["HPE_INVALID_CONSTANT", "misbehaved", "not-http", /did not answer in HTTP/],
  ["EWHATEVER", "unreachable", "other", /EWHATEVER/],
])("%s is %s (%s)", (code, expected, reason, message) => {
  const error = httpFailure(coded(code), "reg.io:5000");
  expect([error.code, failureReason(error)]).toEqual([expected, reason]);
  expect(error.message).toMatch(message);
  expect(error.message.startsWith("reg.io:5000 ")).toBe(true);
  expect(error.message).not.toContain("secret");
  if (reason === "certificate") expect(error.hint).toMatch(/--ca-file.*--insecure/);
});

test("what is wrapped, grouped, cut in a handshake, aborted, or ours already", () => {
  const nested = new TypeError("fetch failed", { cause: coded("ECONNREFUSED") });
  const grouped = new AggregateError([coded("ECONNREFUSED"), coded("ECONNREFUSED")]);
  for (const error of [nested, grouped]) expect(failureReason(httpFailure(error, "h"))).toBe("refused");
  const cut = coded("ECONNRESET", "Client network socket disconnected before secure TLS connection was established");
  expect(failureReason(httpFailure(cut, "h"))).toBe("tls-not-spoken");
  expect(httpFailure(coded("ECONNRESET"), "h", AbortSignal.abort()).code).toBe("aborted");
  const own = httpTimeout("h", "did not answer", 1500);
  expect(httpFailure(own, "h")).toBe(own);
  expect(own.message).toBe("h did not answer within 1.5 s");
  expect(failureReason(new RiffleError("internal", "x", { facts: { reason: "reset" } }))).toBeUndefined();
  expect(failureReason(coded("ECONNRESET"))).toBeUndefined();
});

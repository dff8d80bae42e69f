import { rangeLength, type ByteRange } from "../bytes/range.ts";
import { RiffleError, type ErrorCode, type ErrorFacts } from "../errors.ts";
import type { HttpResponse } from "./http.ts";
import { retryAfterMs } from "./retry.ts";

/** What was asked, of whom, for the checks and the words of a refusal. */
export interface Asked {
  readonly host: string;
  /** The blob's digest. */
  readonly id: string;
  /** The size that the blob's descriptor gives. */
  readonly size: number;
  readonly range: ByteRange;
}

/** `part`: the body is the range asked for. `whole`: the body is the blob from its first byte. */
export type BodyKind = "part" | "whole";

function factsOf(asked: Asked, status: number): ErrorFacts {
  return { host: asked.host, digest: asked.id, status, start: asked.range.start, end: asked.range.end };
}

function fault(
  code: ErrorCode,
  says: string,
  asked: Asked & { readonly status: number },
  more?: ErrorFacts,
): RiffleError {
  return new RiffleError(code, `${asked.host} ${says} (blob ${asked.id})`, {
    facts: { ...factsOf(asked, asked.status), ...more },
  });
}

function wrongSize(actual: number, asked: Asked & { readonly status: number }): RiffleError {
  const comparison = actual < asked.size ? "shorter" : "longer";
  return fault(
    "verification",
    `has a blob that is ${comparison} than its descriptor says: ${actual} bytes, not ${asked.size}`,
    asked,
    {
      expected: asked.size,
      actual,
    },
  );
}

/** The refusal that a status is. Never reads the body: a 416 may announce the length of the blob and send a few bytes. */
function statusError(response: HttpResponse, asked: Asked, nowMs: number): RiffleError {
  const { status, headers } = response;
  const about = { ...asked, status };
  if (status === 416) {
    const total = /^bytes \*\/(\d{1,16})$/.exec(headers["content-range"] ?? "")?.[1];
    return fault("verification", "says that the blob is shorter than its descriptor says", about, {
      expected: asked.size,
      ...(total === undefined ? {} : { actual: Number(total) }),
    });
  }
  if (status === 401 || status === 403) return fault("credentials", `refuses the blob with ${status}`, about);
  if (status === 404 || status === 410) return fault("not-found", "does not have the blob", about);
  const waitMs = retryAfterMs(headers["retry-after"], nowMs);
  const more = waitMs > 0 ? { retryAfterMs: waitMs } : {};
  if (status === 429) return fault("misbehaved", "answers 429: too many requests", about, more);
  return fault("misbehaved", `answers ${status} to a range request`, about, more);
}

/**
 * Checks an answer's headers before a byte of its body is believed: status, Content-Range as asked to the byte, total and
 * Content-Length as the descriptor says, no encoding, not several parts, not a sign-in page. Throws what it is instead.
 */
export function checkAnswer(response: HttpResponse, asked: Asked, nowMs: number): BodyKind {
  const { status, headers } = response;
  const about = { ...asked, status };
  if (status !== 200 && status !== 206) throw statusError(response, asked, nowMs);
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "";
  if (encoding !== "" && encoding !== "identity") throw fault("misbehaved", "sends the blob encoded, unasked", about);
  const type = headers["content-type"]?.toLowerCase() ?? "";
  if (type.startsWith("multipart/")) throw fault("misbehaved", "answers one range with several parts", about);
  const length = contentLength(headers["content-length"]);
  if (status === 200) {
    const isPage = type.startsWith("text/html") || type.startsWith("application/xhtml");
    // A blob may be an HTML file; a sign-in page does not happen to have its length.
    if (isPage && length !== asked.size)
      throw fault("misbehaved", "answers with a web page instead of the blob", about);
    if (length !== undefined && length !== asked.size) throw wrongSize(length, about);
    return "whole";
  }
  const stated = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/.exec(headers["content-range"]?.trim() ?? "");
  if (stated === null) throw fault("misbehaved", "sends a part without saying which", about);
  const [first, last, total] = stated.slice(1);
  if (total !== "*" && Number(total) !== asked.size) throw wrongSize(Number(total), about);
  if (Number(first) !== asked.range.start || Number(last) !== asked.range.end - 1) {
    throw fault("misbehaved", `sends bytes ${first}-${last} instead of those asked for`, about);
  }
  if (length !== undefined && length !== rangeLength(asked.range)) {
    throw fault("misbehaved", `announces ${length} bytes for a range of ${rangeLength(asked.range)}`, about);
  }
  return "part";
}

function contentLength(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,16}$/.test(header) ? Number(header) : undefined;
}

/** The body ended early: what came is right, the rest may be asked for. */
export function shortBody(asked: Asked, received: number): RiffleError {
  return new RiffleError(
    "unreachable",
    `${asked.host} ended its answer ${rangeLength(asked.range) - received} bytes early (blob ${asked.id})`,
    {
      facts: { host: asked.host, digest: asked.id, again: true },
    },
  );
}

/** The body goes on behind its end. A part may be asked for again from where it was right, unless nothing is left of it. */
export function longBody(asked: Asked, body: { readonly kind: BodyKind; readonly complete: boolean }): RiffleError {
  const facts = { host: asked.host, digest: asked.id };
  if (body.kind === "whole") {
    const says = `${asked.host} has a blob that is longer than its descriptor says (blob ${asked.id})`;
    return new RiffleError("verification", says, { facts: { ...facts, expected: asked.size } });
  }
  return new RiffleError("misbehaved", `${asked.host} sends more bytes than were asked for (blob ${asked.id})`, {
    facts: { ...facts, again: !body.complete },
  });
}

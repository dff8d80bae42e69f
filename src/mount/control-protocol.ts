import { isRiffleError, RiffleError, type ErrorCode, type ErrorFacts } from "../errors.ts";

/**
 * What the daemon of a mount and the commands say to each other over a Unix socket: one JSON line there, one JSON line
 * back, then the connection ends. `v` is the protocol version; a peer of another version is told so, never guessed at.
 */
export const CONTROL_PROTOCOL = 1;

export const MAX_REQUEST_BYTES = 4096;
export const MAX_RESPONSE_BYTES = 1_048_576;

export type ControlRequest =
  | { readonly op: "ping" }
  | { readonly op: "stats" }
  | { readonly op: "unmount"; readonly lazy: boolean };

/** A RiffleError as data. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly facts?: ErrorFacts;
}

export type ControlResponse =
  | { readonly ok: true; readonly result: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly error: WireError };

export function encodeRequest(request: ControlRequest): string {
  return `${JSON.stringify({ v: CONTROL_PROTOCOL, ...request })}\n`;
}

export function encodeResponse(response: ControlResponse): string {
  return `${JSON.stringify({ v: CONTROL_PROTOCOL, ...response })}\n`;
}

/** Throws `usage` for anything but a request of this protocol version. */
export function decodeRequest(line: string): ControlRequest {
  const value = parseVersioned(line, "usage");
  switch (value["op"]) {
    case "ping":
    case "stats":
      return { op: value["op"] };
    case "unmount":
      return { op: "unmount", lazy: value["lazy"] === true };
    default:
      throw new RiffleError("usage", "unknown control request");
  }
}

/** Throws `misbehaved` for anything but a response of this protocol version. */
export function decodeResponse(line: string): ControlResponse {
  const value = parseVersioned(line, "misbehaved");
  if (value["ok"] === true && isRecord(value["result"])) return { ok: true, result: value["result"] };
  if (value["ok"] === false && isRecord(value["error"])) return { ok: false, error: readWireError(value["error"]) };
  throw new RiffleError("misbehaved", "the daemon answered nonsense");
}

export function toWireError(error: unknown): WireError {
  if (!isRiffleError(error)) {
    return { code: "internal", message: error instanceof Error ? error.message : String(error) };
  }
  return {
    code: error.code,
    message: error.message,
    facts: error.facts,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}

export function fromWireError(error: WireError): RiffleError {
  return new RiffleError(error.code, error.message, {
    ...(error.facts === undefined ? {} : { facts: error.facts }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

const CODES: Readonly<Record<ErrorCode, true>> = {
  usage: true,
  "not-yet": true,
  "not-found": true,
  credentials: true,
  policy: true,
  verification: true,
  malformed: true,
  unsupported: true,
  unreachable: true,
  misbehaved: true,
  timeout: true,
  machine: true,
  permission: true,
  disk: true,
  exists: true,
  closed: true,
  aborted: true,
  internal: true,
};

/** Reads an error from outside; an unknown code becomes `internal`. */
export function readWireError(value: Readonly<Record<string, unknown>>): WireError {
  const { code, message, hint, facts } = value;
  return {
    code: typeof code === "string" && Object.hasOwn(CODES, code) ? (code as ErrorCode) : "internal", // checked here
    message: typeof message === "string" ? message : "unknown error",
    ...(typeof hint === "string" ? { hint } : {}),
    ...(isRecord(facts) ? { facts: readFacts(facts) } : {}),
  };
}

function readFacts(value: Readonly<Record<string, unknown>>): ErrorFacts {
  const facts: Record<string, string | number | boolean> = {};
  for (const [key, fact] of Object.entries(value)) {
    if (typeof fact === "string" || typeof fact === "number" || typeof fact === "boolean") facts[key] = fact;
  }
  return facts;
}

function parseVersioned(line: string, code: ErrorCode): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new RiffleError(code, "not a control message");
  }
  if (!isRecord(value)) throw new RiffleError(code, "not a control message");
  if (value["v"] !== CONTROL_PROTOCOL) {
    const spoken = typeof value["v"] === "number" ? `version ${value["v"]}` : "no version";
    throw new RiffleError("machine", `control protocol ${spoken} meets version ${CONTROL_PROTOCOL}`, {
      hint: "use the riffle that made this mount, or umount",
    });
  }
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

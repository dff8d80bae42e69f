/**
 * What went wrong, as a closed set. Exit codes, errno and HTTP statuses are exhaustive tables over these at the edges.
 *
 * - `usage`: the caller's words are off; `not-yet`: a documented feature whose time has not come
 * - `not-found`: repository, tag, digest, platform or path
 * - `credentials`: missing or refused; `policy`: a policy says no
 * - `verification`: bytes that do not have their digest or length; `malformed`: an artifact or document that breaks its format
 * - `unsupported`: sound, but of a kind that riffle cannot read (a codec, encryption, a type)
 * - `unreachable`: no connection, TLS failure; `misbehaved`: the registry answered nonsense; `timeout`: a wait ran out
 * - `machine`: this machine cannot (device, library, kernel); `permission`; `disk`: full or broken storage
 * - `exists`: something is in the way; `closed`: used after `close()`; `aborted`: the caller's signal; `internal`: a bug
 */
export type ErrorCode =
  | "usage"
  | "not-yet"
  | "not-found"
  | "credentials"
  | "policy"
  | "verification"
  | "malformed"
  | "unsupported"
  | "unreachable"
  | "misbehaved"
  | "timeout"
  | "machine"
  | "permission"
  | "disk"
  | "exists"
  | "closed"
  | "aborted"
  | "internal";

export type ErrorFacts = Readonly<Record<string, string | number | boolean>>;

export interface ErrorDetails {
  /** Small values for scripts; never a token, a password or a query string. */
  readonly facts?: ErrorFacts;
  /** The way out, for a person: a clause without a full stop. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The one error that crosses rooms. The message is lower-case and names the thing; it holds no secret. */
export class RiffleError extends Error {
  override readonly name = "RiffleError";
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.facts = details.facts ?? {};
    this.hint = details.hint;
  }
}

/** Works across copies of this module, where `instanceof` fails. */
export function isRiffleError(value: unknown): value is RiffleError {
  return (
    value instanceof Error && value.name === "RiffleError" && typeof (value as { code?: unknown }).code === "string"
  );
}

/** The error that a wait ends with when `signal` was aborted. */
export function abortError(signal?: AbortSignal): RiffleError {
  const reason: unknown = signal?.reason;
  return isRiffleError(reason) ? reason : new RiffleError("aborted", "interrupted", { cause: reason });
}

import { isRiffleError, RiffleError } from "../../errors.ts";

/** The error of one file among many, which its message then names. What the caller caused (an abort) stays as it is. */
export function inFile(path: string, error: unknown): unknown {
  if (!isRiffleError(error) || error.code === "aborted" || error.facts["path"] !== undefined) return error;
  return new RiffleError(error.code, `${path}: ${error.message}`, {
    facts: { ...error.facts, path },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    cause: error,
  });
}

import { errorAt } from "./predicate-error.ts";
import type { Literal } from "./predicate.ts";
import { instantOf } from "./instant.ts";
import type { Token } from "./tokens.ts";

/**
 * The literal that `tokens` spell: a number with an optional sign, a string, TRUE, FALSE, NULL, `DATE '...'` or `TIMESTAMP '...'`.
 * Undefined when they are something else; throws `usage`, pointing at it, for a date that is none.
 */
export function literalOf(text: string, tokens: readonly Token[]): Literal | undefined {
  const last = tokens.at(-1);
  if (last === undefined) return undefined;
  const before = tokens.slice(0, -1).map((token) => text.slice(token.start, token.end).toLowerCase());
  const written = text.slice(last.start, last.end);
  if (last.kind === "number")
    return before.every((sign) => sign === "-" || sign === "+") ? number(before, written) : undefined;
  if (last.kind === "string") {
    return typed({ text, offset: last.start }, { type: before.join(" "), value: unquote(written) });
  }
  if (before.length > 0) return undefined;
  switch (written.toLowerCase()) {
    case "true":
      return true;
    case "false":
      return false;
    case "null":
      return null;
    default:
      return undefined;
  }
}

/** What a string means under the name of a type; "" is no type. */
export function typed(
  place: { readonly text: string; readonly offset: number },
  string: { readonly type: string; readonly value: string },
): Literal | undefined {
  switch (string.type) {
    case "":
    case "text":
    case "varchar":
    case "uuid":
    case "time":
      return string.value;
    case "date":
      checkInstant(place, string.value);
      return { date: string.value };
    case "timestamp":
    case "timestamptz":
    case "timestamp with time zone":
    case "timestamp without time zone":
      checkInstant(place, string.value);
      return { timestamp: string.value };
    default:
      return undefined;
  }
}

function checkInstant(place: { readonly text: string; readonly offset: number }, value: string): void {
  if (instantOf(value) === undefined)
    throw errorAt(place, "this is not a date or time", "write 2024-01-31 or 2024-01-31 12:00:00");
}

export function unquote(written: string): string {
  return written.slice(1, -1).replaceAll("''", "'");
}

function number(signs: readonly string[], digits: string): Literal {
  const minus = signs.filter((sign) => sign === "-").length % 2 === 1 ? "-" : "";
  return /^\d+$/.test(digits) ? BigInt(digits) * (minus === "" ? 1n : -1n) : { decimal: minus + digits };
}

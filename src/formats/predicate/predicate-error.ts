import { RiffleError } from "../../errors.ts";

/** A `usage` error that points at a place: the message says line and column, `facts.pointer` shows the line and a caret. */
export function errorAt(
  place: { readonly text: string; readonly offset: number },
  what: string,
  hint?: string,
): RiffleError {
  const offset = Math.min(place.offset, place.text.length);
  const before = place.text.slice(0, offset).split("\n");
  const start = offset - (before.at(-1)?.length ?? 0);
  const end = place.text.indexOf("\n", offset);
  const column = offset - start + 1;
  const from = Math.max(start, offset - 60);
  const shown = place.text.slice(from, Math.min(end < 0 ? place.text.length : end, offset + 40)).replaceAll("\t", " ");
  const where = before.length > 1 ? `line ${before.length}, column ${column}` : `column ${column}`;
  return new RiffleError("usage", `predicate: ${what} at ${where}`, {
    facts: { line: before.length, column, pointer: `${shown}\n${" ".repeat(offset - from)}^` },
    ...(hint === undefined ? {} : { hint }),
  });
}

import { RiffleError } from "../../errors.ts";

/** A Python literal. Dictionaries are maps, tuples and lists both arrays. */
export type Literal = string | number | boolean | null | readonly Literal[] | ReadonlyMap<string, Literal>;

/** Structured types are two or three deep. */
const MAX_DEPTH = 32;
const CONSTANTS: ReadonlyMap<string, Literal> = new Map<string, Literal>([
  ["True", true],
  ["False", false],
  ["None", null],
]);
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

/**
 * Reads the part of Python's literals that `.npy` headers are written in: strings, whole numbers, True, False, None,
 * tuples, lists and dictionaries with string keys. Nothing is evaluated; anything else throws `malformed`.
 */
export function parseLiteral(text: string): Literal {
  let at = 0;
  const fail = (): RiffleError =>
    new RiffleError("malformed", `the .npy header is not a Python literal at character ${at}`);
  const token = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const [found] = pattern.exec(text) ?? [];
    at += found?.length ?? 0;
    return found;
  };
  const punctuation = (character: string): boolean => {
    token(/\s*/y);
    if (text[at] !== character) return false;
    at += 1;
    return true;
  };
  const list = (close: string, item: () => void): number => {
    let commas = 0;
    while (!punctuation(close)) {
      item();
      if (punctuation(",")) commas += 1;
      else if (punctuation(close)) break;
      else throw fail();
    }
    return commas;
  };
  const value = (depth: number): Literal => {
    if (depth > MAX_DEPTH) throw new RiffleError("malformed", `the .npy header is nested deeper than ${MAX_DEPTH}`);
    if (punctuation("(") || punctuation("[")) {
      const isTuple = text[at - 1] === "(";
      const items: Literal[] = [];
      const commas = list(isTuple ? ")" : "]", () => items.push(value(depth + 1)));
      const [only] = items;
      // Parentheses around one value without a comma are not a tuple.
      return isTuple && items.length === 1 && commas === 0 && only !== undefined ? only : items;
    }
    if (punctuation("{")) {
      const entries = new Map<string, Literal>();
      list("}", () => {
        const key = value(depth + 1);
        if (typeof key !== "string" || entries.has(key) || !punctuation(":")) throw fail();
        entries.set(key, value(depth + 1));
      });
      return entries;
    }
    const quoted = token(/[uUbB]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")/y);
    if (quoted !== undefined) return unquote(quoted);
    const number = token(/-?\d{1,20}(?=L?\b)/y);
    if (number !== undefined) {
      token(/L/y);
      return Number(number);
    }
    const constant = CONSTANTS.get(token(/[A-Z][a-z]+/y) ?? "");
    if (constant === undefined) throw fail();
    return constant;
  };
  const result = value(0);
  token(/[\s\0]*/y);
  if (at !== text.length) throw fail();
  return result;
}

function unquote(quoted: string): string {
  const body = quoted.replace(/^[uUbB]/, "").slice(1, -1);
  return body.replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)/g, (_, escape: string) =>
    escape.length > 1 ? String.fromCharCode(Number.parseInt(escape.slice(1), 16)) : (ESCAPES[escape] ?? escape),
  );
}

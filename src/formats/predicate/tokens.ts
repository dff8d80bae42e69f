import { errorAt } from "./predicate-error.ts";

export type TokenKind = "word" | "path" | "number" | "string" | "mark";

/** A piece of a predicate's text. A "path" is a name that is quoted, dotted or not ASCII; a "word" may also be a keyword. */
export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
}

/** No column holds as many; a number of millions would take seconds to read. */
const MAX_DIGITS = 10_000;

const NAME = /[\p{L}_][\p{L}\p{N}_$]*|"(?:[^"]|"")+"/uy;
const DOT = /\s*\.\s*(?=[\p{L}_"])/uy;
const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const STRING = /'(?:[^']|'')*'/y;
const BLANK = /(?:\s|--[^\n]*|\/\*[\s\S]*?\*\/)+/y;

/** The tokens of a predicate in SQL's spelling, without blanks and comments. Throws `usage` at what cannot begin or end one. */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = endOf(BLANK, { text, at: 0 }) ?? 0;
  while (at < text.length) {
    const token = nextToken(text, at);
    tokens.push(token);
    at = endOf(BLANK, { text, at: token.end }) ?? token.end;
  }
  return tokens;
}

function nextToken(text: string, start: number): Token {
  const name = endOf(NAME, { text, at: start });
  if (name !== undefined) return nameToken(text, { start, end: name });
  const string = endOf(STRING, { text, at: start });
  if (string !== undefined) return { kind: "string", start, end: string };
  const number = endOf(NUMBER, { text, at: start });
  if (number !== undefined) {
    if (endOf(NAME, { text, at: number }) !== undefined) throw errorAt({ text, offset: start }, "this is not a number");
    if (number - start > MAX_DIGITS) throw errorAt({ text, offset: start }, "this number is too long");
    return { kind: "number", start, end: number };
  }
  const opened = text[start];
  if (opened === "'" || opened === '"') throw errorAt({ text, offset: start }, `${opened} is not closed`);
  if (text.startsWith("/*", start)) throw errorAt({ text, offset: start }, "a comment is not closed");
  return { kind: "mark", start, end: start + 1 };
}

function nameToken(text: string, first: { readonly start: number; readonly end: number }): Token {
  const { start } = first;
  let { end } = first;
  let plain = text[start] !== '"' && /^[\w$]+$/.test(text.slice(start, end));
  if (plain && text[end] === "'" && end - start === 1) {
    throw errorAt({ text, offset: start }, `strings with the prefix ${text[start] ?? ""} are not supported`);
  }
  for (;;) {
    const dot = endOf(DOT, { text, at: end });
    const next = dot === undefined ? undefined : endOf(NAME, { text, at: dot });
    if (next === undefined) return { kind: plain ? "word" : "path", start, end };
    end = next;
    plain = false;
  }
}

/** The names of a path as it was written: `a."b c"` is `a`, `b c`. */
export function pathNames(text: string): readonly string[] {
  const names: string[] = [];
  let at = 0;
  for (;;) {
    const end = endOf(NAME, { text, at });
    if (end === undefined) return names;
    const name = text.slice(at, end);
    names.push(name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);
    at = endOf(DOT, { text, at: end }) ?? text.length;
  }
}

/** Where a match of the sticky `pattern` that begins at `at` ends. */
function endOf(pattern: RegExp, place: { readonly text: string; readonly at: number }): number | undefined {
  pattern.lastIndex = place.at;
  return pattern.test(place.text) ? pattern.lastIndex : undefined;
}

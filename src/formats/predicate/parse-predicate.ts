import type { Expr } from "pgsql-ast-parser";
import { isRiffleError, RiffleError } from "../../errors.ts";
import { literalOf } from "./literal.ts";
import { mapExpression, type ListElements } from "./map-expression.ts";
import { errorAt } from "./predicate-error.ts";
import type { Literal, Predicate } from "./predicate.ts";
import { tokenize, type Token } from "./tokens.ts";

/** A list of 100,000 strings of 10 characters, and room; more is a join, not a predicate. */
const MAX_TEXT = 2 * 1024 * 1024;
/** The parser's time grows faster than its input: about a second for this many. Elements of IN lists do not count. */
const MAX_TOKENS = 4096;
const MAX_NESTING = 100;

/**
 * A predicate in the SQL of PostgreSQL and DuckDB: comparison, `IN`, `BETWEEN`, `IS NULL`, `LIKE` (no escape character, as in
 * DuckDB), `AND OR NOT`, `IS TRUE`, nested fields with dots, `"quoted names"`, literals with all of their digits.
 * Names keep their case here. Throws `usage`, pointing at the place, for text that is no predicate or asks for more.
 */
export async function parsePredicate(text: string): Promise<Predicate> {
  if (text.length > MAX_TEXT) {
    throw new RiffleError("usage", `predicate: ${text.length} characters are too many (the most are ${MAX_TEXT})`);
  }
  const tokens = tokenize(text);
  if (tokens.length === 0) throw new RiffleError("usage", "predicate: it is empty");
  const { shape, lists, kept } = shapeOf(text, tokens);
  if (kept > MAX_TOKENS) {
    throw new RiffleError("usage", `predicate: ${kept} words and signs are too many (the most are ${MAX_TOKENS})`);
  }
  const { parse } = await import("pgsql-ast-parser");
  let expression: Expr;
  try {
    // Its types know of statements only; the entry makes it a list of one expression.
    const parsed = parse(shape, { entry: "expr", locationTracking: true }) as unknown as readonly Expr[];
    const [only] = parsed;
    if (only === undefined || parsed.length > 1)
      throw new RiffleError("usage", "predicate: this is not one expression");
    expression = only;
  } catch (error) {
    throw syntaxError(error, { text, tokens });
  }
  return mapExpression(expression, { text, tokens, lists });
}

/**
 * The text as the parser gets it, of the same length, so that places hold: every path is one plain word, every number plain
 * digits, strings and comments are blanked, and of a list only the first element stays. What they say is read from the text
 * itself: the parser would round numbers, fold names, and take quadratic time over lists.
 */
function shapeOf(text: string, tokens: readonly Token[]): { shape: string; lists: ListElements; kept: number } {
  const shape: string[] = [];
  const lists = new Map<number, readonly Literal[]>();
  let kept = 0;
  let nesting = 0;
  let at = 0;
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i];
    if (token === undefined) break;
    shape.push(" ".repeat(token.start - at), shapeOfToken(text, token));
    at = token.end;
    kept += 1;
    if (token.kind !== "mark") continue;
    nesting += text[token.start] === "(" ? 1 : text[token.start] === ")" ? -1 : 0;
    if (nesting > MAX_NESTING) throw errorAt({ text, offset: token.start }, "parentheses are nested too deeply");
    const list = text[token.start] === "(" && isIn(text, tokens[i - 1]) ? listAt(text, { tokens, open: i }) : undefined;
    if (list === undefined) continue;
    lists.set(list.start, list.elements);
    for (const first of list.firstTokens) {
      shape.push(" ".repeat(first.start - at), shapeOfToken(text, first));
      at = first.end;
    }
    i = list.close - 1;
  }
  shape.push(" ".repeat(text.length - at));
  return { shape: shape.join(""), lists, kept };
}

function isIn(text: string, token: Token | undefined): boolean {
  return token?.kind === "word" && text.slice(token.start, token.end).toLowerCase() === "in";
}

function shapeOfToken(text: string, token: Token): string {
  const length = token.end - token.start;
  switch (token.kind) {
    case "path":
      return `_${"x".repeat(length - 1)}`;
    case "number":
      return "1".repeat(length);
    case "string":
      return `'${"x".repeat(length - 2)}'`;
    case "word":
    case "mark":
    default:
      return text.slice(token.start, token.end);
  }
}

interface List {
  readonly start: number;
  readonly elements: readonly Literal[];
  readonly firstTokens: readonly Token[];
  /** Index of the closing parenthesis among the tokens. */
  readonly close: number;
}

/** Undefined when the parentheses hold something else than literals: the parser then says what. */
function listAt(text: string, place: { readonly tokens: readonly Token[]; readonly open: number }): List | undefined {
  const elements: Literal[] = [];
  let firstTokens: readonly Token[] = [];
  let begin = place.open + 1;
  for (let i = begin; i < place.tokens.length; i += 1) {
    const token = place.tokens[i];
    const mark = token?.kind === "mark" ? text[token.start] : undefined;
    if (mark !== "," && mark !== ")") continue;
    const written = place.tokens.slice(begin, i);
    const literal = literalOf(text, written);
    if (literal === undefined) return undefined;
    if (elements.length === 0) firstTokens = written;
    elements.push(literal);
    begin = i + 1;
    if (mark === ")") return { start: firstTokens[0]?.start ?? 0, elements, firstTokens, close: i };
  }
  return undefined;
}

function syntaxError(
  error: unknown,
  source: { readonly text: string; readonly tokens: readonly Token[] },
): RiffleError {
  const { text, tokens } = source;
  if (isRiffleError(error)) return error;
  // Its own `offset` counts tokens; where no token could be made, only the message tells the place.
  const { token: found, message } = error as {
    readonly token?: { readonly offset?: number };
    readonly message?: string;
  };
  const [, line, column] = /line (\d+) col (\d+)/.exec(message ?? "") ?? [];
  const lines = text.split("\n").slice(0, Number(line) - 1);
  const offset = found?.offset ?? lines.reduce((sum, { length }) => sum + length + 1, Number(column) - 1);
  if (!Number.isSafeInteger(offset)) {
    return errorAt({ text, offset: tokens.at(-1)?.end ?? text.length }, "something is missing");
  }
  const token = tokens.find(({ end }) => end > offset);
  const word = text.slice(token?.start ?? offset, token?.end ?? offset + 1);
  const shown = word.length > 40 ? `${word.slice(0, 40)}...` : word;
  const hint =
    word === "=" && text[offset - 1] === "="
      ? "equality is written ="
      : token?.kind === "word"
        ? `a column of this name is written "${word}", in double quotes`
        : undefined;
  return errorAt({ text, offset: token?.start ?? offset }, `${shown} is not expected`, hint);
}

/** One step of a glob: what each character must be, with stars between. */
export type NamePattern = readonly Token[];

type Token =
  | { readonly kind: "star" | "any" }
  | { readonly kind: "one"; readonly character: string }
  | { readonly kind: "set"; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] };

const STAR: Token = { kind: "star" };
const ANY: Token = { kind: "any" };

export function compileName(pattern: string): NamePattern {
  const characters = Array.from(pattern);
  const tokens: Token[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? "";
    const set = character === "[" ? compileSet(characters, at) : undefined;
    if (set !== undefined) {
      tokens.push(set.token);
      at = set.end;
    } else if (character === "*") {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else if (character === "?") tokens.push(ANY);
    else if (character === "\\" && at + 1 < characters.length) {
      at += 1;
      tokens.push({ kind: "one", character: characters[at] ?? "" });
    } else tokens.push({ kind: "one", character });
  }
  return tokens;
}

/** The set that begins at `from`; undefined when no bracket closes it, which then stands for itself. */
function compileSet(characters: readonly string[], from: number): { token: Token; end: number } | undefined {
  let at = from + 1;
  const negated = characters[at] === "!" || characters[at] === "^";
  if (negated) at += 1;
  const first = at;
  const ranges: [number, number][] = [];
  // A bracket right at the beginning is a member.
  for (; at < characters.length && (characters[at] !== "]" || at === first); at += 1) {
    if (characters[at] === "\\" && at + 1 < characters.length) at += 1;
    const low = codeOf(characters[at]);
    const range = characters[at + 1] === "-" && at + 2 < characters.length && characters[at + 2] !== "]";
    if (range) at += 2;
    ranges.push([low, range ? codeOf(characters[at]) : low]);
  }
  return at < characters.length ? { token: { kind: "set", negated, ranges }, end: at } : undefined;
}

function codeOf(character: string | undefined): number {
  return character?.codePointAt(0) ?? 0;
}

/**
 * Whether the whole name matches. After a mismatch only the last star is tried again, one character further on: an earlier
 * one could not do better. So the work is at most the product of both lengths.
 */
export function matchName(pattern: NamePattern, name: string): boolean {
  let at = 0;
  let token = 0;
  let star = -1;
  let resume = 0;
  while (at < name.length) {
    const wanted = pattern[token];
    const character = String.fromCodePoint(name.codePointAt(at) ?? 0);
    if (wanted?.kind === "star") {
      star = token;
      resume = at;
      token += 1;
    } else if (wanted !== undefined && matches(wanted, character)) {
      at += character.length;
      token += 1;
    } else if (star >= 0) {
      resume += (name.codePointAt(resume) ?? 0) > 0xffff ? 2 : 1;
      at = resume;
      token = star + 1;
    } else return false;
  }
  while (pattern[token]?.kind === "star") token += 1;
  return token === pattern.length;
}

function matches(token: Token, character: string): boolean {
  if (token.kind === "one") return token.character === character;
  if (token.kind !== "set") return true;
  const code = codeOf(character);
  return token.ranges.some(([low, high]) => low <= code && code <= high) !== token.negated;
}

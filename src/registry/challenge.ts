/** One challenge of a WWW-Authenticate header (RFC 9110 section 11.6.1). Scheme and parameter names are lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** A header longer than this is not read further: real ones have a few hundred characters. */
const MAX_HEADER_LENGTH = 16 * 1024;

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
/** Values that should have been quoted, such as a bare URL, are taken up to the next comma or space. */
const VALUE = /[^\s,"=][^\s,"]*/y;
const SEPARATORS = /[ \t,]*/y;
const EQUALS = /[ \t]*=[ \t]*/y;
const SPACES = /[ \t]+/y;

/** A cursor over a header; every step moves forward, so that reading is linear in its length. */
class HeaderReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.slice(0, MAX_HEADER_LENGTH);
  }

  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  get position(): number {
    return this.#at;
  }

  goTo(position: number): void {
    this.#at = position;
  }

  skipOne(): void {
    this.#at += 1;
  }

  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  /** The content of a quoted string with its escapes undone; what is not closed ends with the header. */
  quoted(): string | undefined {
    if (this.#text[this.#at] !== '"') return undefined;
    const pieces: string[] = [];
    let at = this.#at + 1;
    while (at < this.#text.length && this.#text[at] !== '"') {
      if (this.#text[at] === "\\") at += 1;
      pieces.push(this.#text[at] ?? "");
      at += 1;
    }
    this.#at = Math.min(at + 1, this.#text.length);
    return pieces.join("");
  }
}

/** `name=value` at the cursor, or undefined with the cursor unmoved. */
function readParameter(reader: HeaderReader): readonly [string, string] | undefined {
  const start = reader.position;
  const name = reader.take(TOKEN);
  if (name !== undefined && reader.take(EQUALS) !== undefined) {
    const value = reader.quoted() ?? reader.take(VALUE);
    if (value !== undefined) return [name.toLowerCase(), value];
  }
  reader.goTo(start);
  return undefined;
}

/**
 * All challenges in order, of one header or of several that were joined with commas. What is not grammar is skipped;
 * nothing throws. The first of two equal parameters counts.
 */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const challenges: { readonly scheme: string; readonly parameters: Map<string, string> }[] = [];
  const reader = new HeaderReader(header ?? "");
  while (!reader.done) {
    reader.take(SEPARATORS);
    const parameter = readParameter(reader);
    if (parameter !== undefined) {
      const last = challenges.at(-1)?.parameters;
      if (last !== undefined && !last.has(parameter[0])) last.set(...parameter);
      continue;
    }
    const scheme = reader.take(TOKEN);
    if (scheme === undefined) {
      reader.skipOne();
      continue;
    }
    challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    if (reader.take(SPACES) === undefined) continue;
    const start = reader.position;
    // `Negotiate abc==` carries a token68, which could be taken for a scheme or a parameter.
    if (readParameter(reader) === undefined) reader.take(TOKEN68);
    else reader.goTo(start);
  }
  return challenges;
}

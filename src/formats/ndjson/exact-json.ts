/** JSON whose integers that a double cannot hold are bigints. Objects have no prototype where they were read exactly. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** Nested deeper, a value is nobody's data, and would exhaust the stack. */
const MAX_DEPTH = 64;

/** Throws SyntaxError as `JSON.parse` does, and for what is nested deeper than 64. */
export function parseJson(text: string): JsonValue {
  const value = JSON.parse(text) as JsonValue;
  if (mayBeDeep(text) && isDeeper(value, MAX_DEPTH)) throw new SyntaxError(`nested deeper than ${MAX_DEPTH}`);
  // Below sixteen digits every integer is a double.
  return /\d{16}/.test(text) ? exactly(text) : value;
}

/** The value as JSON, with all digits. */
export function jsonOf(value: JsonValue): string {
  if (typeof value === "bigint") return value.toString();
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(jsonOf).join(",")}]`;
  return `{${Object.entries(value)
    .map(([name, member]) => `${JSON.stringify(name)}:${jsonOf(member)}`)
    .join(",")}}`;
}

function mayBeDeep(text: string): boolean {
  let open = 0;
  for (let at = 0; at < text.length && open <= MAX_DEPTH; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) open++;
  }
  return open > MAX_DEPTH;
}

function isDeeper(value: JsonValue, depth: number): boolean {
  if (value === null || typeof value !== "object") return false;
  return depth === 0 || Object.values(value).some((member: JsonValue) => isDeeper(member, depth - 1));
}

const TOKEN = /\s*([[\]{},:]|"(?:[^"\\]|\\.)*"|[^\s[\]{},:"]+)/gy;

/** Reads text that is known to be JSON once more, number by number: `JSON.parse` rounds them before anyone can look. */
function exactly(text: string): JsonValue {
  const tokens = text.matchAll(TOKEN);
  const next = (): string => {
    const token = tokens.next();
    return token.done === true ? "" : (token.value[1] ?? "");
  };
  const read = (token: string): JsonValue => {
    if (token === "[") return readList();
    if (token === "{") return readObject();
    return scalar(token);
  };
  const readList = (): JsonValue => {
    const items: JsonValue[] = [];
    for (let token = next(); token !== "]"; token = next()) if (token !== ",") items.push(read(token));
    return items;
  };
  const readObject = (): JsonValue => {
    const members: Record<string, JsonValue> = Object.create(null) as Record<string, JsonValue>;
    for (let token = next(); token !== "}"; token = next()) {
      if (token === ",") continue;
      next();
      members[JSON.parse(token) as string] = read(next());
    }
    return members;
  };
  return read(next());
}

function scalar(token: string): JsonValue {
  if (/^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token))) return BigInt(token);
  return JSON.parse(token) as JsonValue;
}

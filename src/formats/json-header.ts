import { RiffleError } from "../errors.ts";
import { endOfString, isJsonObject, type JsonObject } from "../oci/parse-json.ts";
import { validUtf8 } from "./binary.ts";

export interface JsonLimits {
  /** Begins the messages. */
  readonly what: string;
}

/** The deepest real headers (Zarr with nested shards and multiscales) are some 15 deep. */
const MAX_DEPTH = 64;
/** Values in one document; a header with 300,000 tensors has 2.4 million. */
const MAX_VALUES = 4_000_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;

/**
 * A JSON object of sane depth and number of values, in which no object has one name twice: readers differ about which of
 * two counts. Throws `malformed`. Members are own properties, `__proto__` too.
 */
export function parseHeaderJson(bytes: Uint8Array, { what }: JsonLimits): JsonObject {
  const text = validUtf8(bytes);
  if (text === undefined) throw new RiffleError("malformed", `${what} is not UTF-8`);
  checkShape(bytes, what);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RiffleError("malformed", `${what} is not JSON`, { cause });
  }
  if (!isJsonObject(value)) throw new RiffleError("malformed", `${what} is not a JSON object`);
  return value;
}

/** Whole numbers of 0 or more that a number holds exactly; undefined for anything else. */
export function naturals(value: unknown): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const all: readonly unknown[] = value;
  const numbers = all.filter((one): one is number => Number.isSafeInteger(one) && Number(one) >= 0);
  return numbers.length === all.length ? numbers : undefined;
}

/** One pass over the bytes, before anything is allocated by them. */
function checkShape(bytes: Uint8Array, what: string): void {
  const names: (Set<string> | undefined)[] = [];
  let values = 0;
  let last: readonly [start: number, end: number] = [0, 0];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      const end = endOfString(bytes, at);
      last = [at, end + 1];
      at = end;
    } else if (byte === COLON) {
      const name = nameAt(bytes, last);
      const taken = names.at(-1);
      if (taken?.has(name) === true) throw new RiffleError("malformed", `${what} has ${name} twice in one object`);
      taken?.add(name);
    } else if (byte === 0x7b || byte === 0x5b) {
      names.push(byte === 0x7b ? new Set() : undefined);
      values += 1;
      if (names.length > MAX_DEPTH) throw new RiffleError("malformed", `${what} is nested deeper than ${MAX_DEPTH}`);
    } else if (byte === 0x7d || byte === 0x5d) names.pop();
    else if (byte === COMMA) values += 1;
    if (values > MAX_VALUES) throw new RiffleError("malformed", `${what} holds more than ${MAX_VALUES} values`);
  }
}

/** As `JSON.parse` would have it: two spellings of one name are one name. */
function nameAt(bytes: Uint8Array, [start, end]: readonly [number, number]): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.max(0, end - start)).toString("utf8");
  if (!text.includes("\\")) return text;
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

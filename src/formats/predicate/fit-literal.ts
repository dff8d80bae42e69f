import { RiffleError } from "../../errors.ts";
import type { BoundColumn, Value } from "./bound-predicate.ts";
import { typeName, type Domain } from "./domain.ts";
import { instantOf, NANOSECONDS_PER_DAY, timeOf } from "./instant.ts";
import type { Literal } from "./predicate.ts";

/**
 * A literal among the values of a column: it is one of them ("exact"), lies between two of which `value` is the lower
 * ("above"), or lies below all.
 */
export type Fit =
  | { readonly kind: "exact"; readonly value: Value }
  | { readonly kind: "above"; readonly value: Value }
  | { readonly kind: "below" };

/** A decimal of 10,000 digits is nobody's number, and powers of ten cost memory. */
const MAX_EXPONENT = 10_000;
const DECIMAL = /^\s*([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,9}))?\s*$/;
const UUID = /^\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;

/**
 * Fits a literal that is not null. Numbers are compared by their exact value with integers and decimals, as the nearest float of
 * the column's width with floats. A string is read as the column's type, as DuckDB does. Throws `usage` where the types do not go
 * together.
 */
export function fitLiteral(literal: Exclude<Literal, null>, column: BoundColumn): Fit {
  const { domain } = column;
  const fit = fitTo(literal, domain);
  if (fit !== undefined) return fit;
  throw new RiffleError(
    "usage",
    `predicate: column ${column.path.join(".")} (${typeName(column.type)}) cannot be compared with ${spelled(literal)}`,
  );
}

function fitTo(literal: Exclude<Literal, null>, domain: Domain): Fit | undefined {
  switch (domain.kind) {
    case "exact": {
      const text = numeral(literal);
      return text === undefined ? undefined : fitDecimal(text, domain);
    }
    case "float":
      return fitFloat(literal, domain.bits);
    case "instant":
      return fitInstant(literal, domain);
    case "time": {
      const nanos = typeof literal === "string" ? timeOf(literal) : undefined;
      return nanos === undefined
        ? undefined
        : floored(nanos * domain.perDay, { by: NANOSECONDS_PER_DAY, ...domain, signed: true });
    }
    case "boolean":
      return fitBoolean(literal);
    case "text":
      return typeof literal === "string" ? { kind: "exact", value: new TextEncoder().encode(literal) } : undefined;
    case "bytes":
      return typeof literal === "string" ? fitBytes(literal, domain.width) : undefined;
    case "nothing":
    case "opaque":
    default:
      return undefined;
  }
}

function fitBoolean(literal: Exclude<Literal, null>): Fit | undefined {
  if (literal === true || (typeof literal === "string" && /^(true|t)$/i.test(literal)))
    return { kind: "exact", value: 1 };
  if (literal === false || (typeof literal === "string" && /^(false|f)$/i.test(literal)))
    return { kind: "exact", value: 0 };
  return undefined;
}

/** The decimal text of a number, or of a string that may be one. */
function numeral(literal: Exclude<Literal, null>): string | undefined {
  if (typeof literal === "number" || typeof literal === "bigint") return String(literal);
  if (typeof literal === "string") return literal;
  return typeof literal === "object" && "decimal" in literal ? literal.decimal : undefined;
}

function fitDecimal(text: string, domain: Extract<Domain, { kind: "exact" }>): Fit | undefined {
  const match = DECIMAL.exec(text);
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match ?? [];
  if (match === null || whole + fraction === "") return undefined;
  const digits = BigInt(sign + (whole + fraction));
  const power = Number(exponent) - fraction.length + domain.scale;
  if (digits === 0n) return { kind: "exact", value: 0n };
  // Beyond the cap the answer is known by its sign alone: nothing, or more than any column holds.
  const shift = Math.min(Math.max(power, -MAX_EXPONENT - whole.length - fraction.length), MAX_EXPONENT);
  return shift >= 0
    ? floored(digits * 10n ** BigInt(shift), { by: 1n, ...domain })
    : floored(digits, { by: 10n ** BigInt(-shift), ...domain });
}

/** `dividend / by` among the integers of so many bits. */
function floored(
  dividend: bigint,
  range: { readonly by: bigint; readonly bits: number; readonly signed: boolean },
): Fit {
  const truncated = dividend / range.by;
  const rest = dividend - truncated * range.by;
  const value = rest < 0n ? truncated - 1n : truncated;
  const bits = BigInt(range.bits);
  const [min, max] = range.signed ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n];
  if (value < min) return { kind: "below" };
  if (value > max) return { kind: "above", value: max };
  return { kind: rest === 0n ? "exact" : "above", value };
}

function fitFloat(literal: Exclude<Literal, null>, bits: 16 | 32 | 64): Fit | undefined {
  const text = numeral(literal)?.trim();
  if (text === undefined) return undefined;
  const named = /^([+-]?)(nan|inf(?:inity)?)$/i.exec(text);
  if (named === null && (DECIMAL.exec(text) === null || !/\d/.test(text))) return undefined;
  const double = named === null ? Number(text) : /nan/i.test(text) ? NaN : named[1] === "-" ? -Infinity : Infinity;
  // Halves are widened when they are read, and compared with the literal as it is.
  return { kind: "exact", value: bits === 32 ? Math.fround(double) : double };
}

function fitInstant(literal: Exclude<Literal, null>, domain: Extract<Domain, { kind: "instant" }>): Fit | undefined {
  const text = typeof literal === "string" ? literal : instantText(literal);
  const instant = text === undefined ? undefined : instantOf(text);
  if (instant === undefined) return undefined;
  // A plain string becomes a date before it is compared with one, as in DuckDB; a TIMESTAMP keeps its time.
  const dated =
    (typeof literal === "string" && domain.perDay === 1n) || (typeof literal === "object" && "date" in literal);
  const day = ((instant % NANOSECONDS_PER_DAY) + NANOSECONDS_PER_DAY) % NANOSECONDS_PER_DAY;
  return floored((dated ? instant - day : instant) * domain.perDay, {
    by: NANOSECONDS_PER_DAY,
    bits: domain.bits,
    signed: true,
  });
}

function instantText(literal: Exclude<Literal, null>): string | undefined {
  if (typeof literal !== "object") return undefined;
  if ("date" in literal) return literal.date;
  return "timestamp" in literal ? literal.timestamp : undefined;
}

/** A UUID for 16 bytes; else text in which `\xAA` is one byte, as DuckDB reads BLOBs. */
function fitBytes(text: string, width: number | undefined): Fit | undefined {
  const uuid = width === 16 ? UUID.exec(text.trim()) : null;
  if (uuid !== null) return { kind: "exact", value: Uint8Array.from(Buffer.from(uuid.slice(1).join(""), "hex")) };
  const pieces = text.split(/\\x([0-9a-f]{2})/i);
  const bytes = Buffer.concat(pieces.map((piece, i) => Buffer.from(piece, i % 2 === 1 ? "hex" : "utf8")));
  return { kind: "exact", value: Uint8Array.from(bytes) };
}

/** A literal as a person would write it. */
export function spelled(literal: Literal): string {
  if (literal === null) return "NULL";
  if (typeof literal === "string")
    return `the string '${literal.length > 40 ? `${literal.slice(0, 40)}...` : literal}'`;
  if (typeof literal !== "object") return String(literal);
  if ("decimal" in literal) return literal.decimal.slice(0, 60);
  return "date" in literal ? `DATE '${literal.date}'` : `TIMESTAMP '${literal.timestamp}'`;
}

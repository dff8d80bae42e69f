import {
  Bool,
  DateDay,
  Float64,
  Int64,
  TimestampMicrosecond,
  TimestampNanosecond,
  Utf8,
  type DataType,
} from "apache-arrow";
import type { ColumnValue } from "../build/column-data.ts";
import { parseDate, parseTimestamp } from "./temporal.ts";

/** What one text looks like. `wide`: an integer that a double cannot hold; `nano`: a timestamp with more than six fraction digits. */
type Kind = "bool" | "int" | "wide" | "float" | "date" | "timestamp" | "nano" | "instant" | "nano-instant" | "text";

/** The kinds seen in one column. */
export type KindsSeen = Set<Kind>;

/** Plain decimal integers: no sign but minus, no leading zero, which would be lost ("007" is no number but a name). */
const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/;
const FLOAT = /^-?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][+-]?\d{1,3})?$/;
const BOOLEAN = /^(?:true|false|True|False|TRUE|FALSE)$/;
const NOT_FINITE: Readonly<Record<string, number>> = {
  nan: NaN,
  inf: Infinity,
  infinity: Infinity,
  "-inf": -Infinity,
  "-infinity": -Infinity,
};
const INT64_LIMIT = 2n ** 63n;

export function kindOf(text: string): Kind {
  if (INTEGER.test(text)) {
    if (text.length < 16) return "int";
    const value = BigInt(text);
    if (value >= INT64_LIMIT || value < -INT64_LIMIT) return "text";
    return BigInt(Number(value)) === value ? "int" : "wide";
  }
  if (parseFloat64(text) !== undefined) return "float";
  if (BOOLEAN.test(text)) return "bool";
  if (parseDate(text) !== undefined) return "date";
  const stamp = parseTimestamp(text);
  if (stamp === undefined) return "text";
  if (stamp.isInstant) return stamp.digits > 6 ? "nano-instant" : "instant";
  return stamp.digits > 6 ? "nano" : "timestamp";
}

/** The type that holds every kind seen without loss; text where there is none, and where nothing was seen. */
export function typeOfKinds(seen: KindsSeen): DataType {
  const only = (...kinds: readonly Kind[]): boolean => [...seen].every((kind) => kinds.includes(kind));
  if (seen.size === 0) return new Utf8();
  if (only("bool")) return new Bool();
  if (only("int", "wide")) return new Int64();
  if (only("int", "float")) return new Float64();
  if (only("date")) return new DateDay();
  if (only("date", "timestamp")) return new TimestampMicrosecond(null);
  if (only("date", "timestamp", "nano")) return new TimestampNanosecond(null);
  if (only("instant")) return new TimestampMicrosecond("UTC");
  if (only("instant", "nano-instant")) return new TimestampNanosecond("UTC");
  return new Utf8();
}

/** Reads texts of that type; undefined for what does not fit. */
export function parserOf(type: DataType): (text: string) => ColumnValue {
  if (type instanceof Bool) return (text) => (BOOLEAN.test(text) ? text[0] === "t" || text[0] === "T" : undefined);
  if (type instanceof Int64) return parseInt64;
  if (type instanceof Float64) return parseFloat64;
  if (type instanceof DateDay) return parseDate;
  if (type instanceof TimestampMicrosecond || type instanceof TimestampNanosecond) {
    const isInstant = type.timezone === "UTC";
    const digits = type instanceof TimestampNanosecond ? 9 : 6;
    return (text) => timestampUnits(text, { isInstant, digits });
  }
  return (text) => text;
}

function parseInt64(text: string): bigint | undefined {
  if (!INTEGER.test(text)) return undefined;
  const value = BigInt(text);
  return value >= INT64_LIMIT || value < -INT64_LIMIT ? undefined : value;
}

function parseFloat64(text: string): number | undefined {
  if (FLOAT.test(text) && /\d/.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : undefined;
  }
  const name = text.toLowerCase();
  return Object.hasOwn(NOT_FINITE, name) ? NOT_FINITE[name] : undefined;
}

function timestampUnits(
  text: string,
  { isInstant, digits }: { isInstant: boolean; digits: number },
): bigint | undefined {
  const days = isInstant ? undefined : parseDate(text);
  const value =
    days === undefined ? parseTimestamp(text) : { seconds: BigInt(days) * 86_400n, fraction: "", isInstant, digits: 0 };
  if (value === undefined || value.isInstant !== isInstant || value.digits > digits) return undefined;
  const units = value.seconds * 10n ** BigInt(digits) + BigInt(value.fraction.padEnd(digits, "0"));
  return units >= INT64_LIMIT || units < -INT64_LIMIT ? undefined : units;
}

const DATE = /^\s*([+-]?\d{1,6})-(\d{1,2})-(\d{1,2})(?:[ T]+(.*?))?\s*$/s;
const TIME = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9})\d*)?)?\s*(Z|UTC|[+-]\d{1,2}(?::?\d{2})?(?::?\d{2})?)?$/i;

export const NANOSECONDS_PER_DAY = 86_400_000_000_000n;

/**
 * Nanoseconds since 1970 (proleptic Gregorian, UTC where no zone is given) of ISO 8601 text as SQL writes it, `2024-01-31`,
 * `2024-01-31 12:00:00.123456789+01:00`; undefined when it is none. Digits beyond nanoseconds are dropped.
 */
export function instantOf(text: string): bigint | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const days = daysOf({ year, month, day });
  if (days === undefined) return undefined;
  const time = match[4] === undefined || match[4] === "" ? 0n : timeOf(match[4]);
  return time === undefined ? undefined : BigInt(days) * NANOSECONDS_PER_DAY + time;
}

/** Nanoseconds since midnight of `12:30`, `12:30:00.5`; with a zone, of the same instant in UTC, which may lie outside the day. */
export function timeOf(text: string): bigint | undefined {
  const match = TIME.exec(text.trim());
  if (match === null) return undefined;
  const [hours, minutes, seconds] = [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
  if (minutes > 59 || seconds > 59 || hours > 24 || (hours === 24 && minutes + seconds > 0)) return undefined;
  const nanos = BigInt((match[4] ?? "").padEnd(9, "0"));
  if (hours === 24 && nanos > 0n) return undefined;
  return BigInt(hours * 3600 + minutes * 60 + seconds - zoneSeconds(match[5] ?? "")) * 1_000_000_000n + nanos;
}

function zoneSeconds(zone: string): number {
  if (!/^[+-]/.test(zone)) return 0;
  const digits = zone.slice(1).includes(":") ? zone.slice(1).split(":") : (zone.slice(1).match(/\d{1,2}/g) ?? []);
  const [hours = 0, minutes = 0, seconds = 0] = digits.map(Number);
  return (zone.startsWith("-") ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
}

/** Days since 1970-01-01, by eras of 400 years counted from March (days_from_civil of Howard Hinnant's date algorithms). */
function daysOf(date: { readonly year: number; readonly month: number; readonly day: number }): number | undefined {
  const { year, month, day } = date;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const length = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  if (length === undefined || day < 1 || day > length) return undefined;
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

const DAY_SECONDS = 86_400n;
const UNIT_DIGITS = [0, 3, 6, 9] as const;

/** Days since 1970-01-01 as an ISO 8601 calendar date (proleptic Gregorian, years beyond four digits signed, as ECMA-262 has them). */
export function dateText(days: bigint): string {
  // Gregorian arithmetic over eras of 400 years that begin in March (H. Hinnant, "chrono-compatible low-level date algorithms").
  const shifted = days + 719_468n;
  const era = floorDivide(shifted, 146_097n);
  const dayOfEra = shifted - era * 146_097n;
  const yearOfEra = (dayOfEra - dayOfEra / 1460n + dayOfEra / 36_524n - dayOfEra / 146_096n) / 365n;
  const dayOfYear = dayOfEra - (365n * yearOfEra + yearOfEra / 4n - yearOfEra / 100n);
  const marchMonth = (5n * dayOfYear + 2n) / 153n;
  const day = dayOfYear - (153n * marchMonth + 2n) / 5n + 1n;
  const month = marchMonth < 10n ? marchMonth + 3n : marchMonth - 9n;
  const year = yearOfEra + era * 400n + (month <= 2n ? 1n : 0n);
  return `${yearText(year)}-${pad(month, 2)}-${pad(day, 2)}`;
}

/** Units since midnight; `unit` is Arrow's: 0 seconds, 1 milliseconds, 2 microseconds, 3 nanoseconds. All digits that are not trailing zeros. */
export function timeText(value: bigint, unit: number): string {
  const scale = unitsPerSecond(unit);
  const seconds = floorDivide(value, scale);
  const clock = `${pad(seconds / 3600n, 2)}:${pad((seconds / 60n) % 60n, 2)}:${pad(seconds % 60n, 2)}`;
  return clock + fractionText(value - seconds * scale, unit);
}

/** Units since the epoch as ISO 8601; an instant (a type with a zone) is given in UTC, with `Z`. */
export function timestampText(value: bigint, { unit, instant }: { unit: number; instant: boolean }): string {
  const perDay = unitsPerSecond(unit) * DAY_SECONDS;
  const days = floorDivide(value, perDay);
  return `${dateText(days)}T${timeText(value - days * perDay, unit)}${instant ? "Z" : ""}`;
}

/** An ISO 8601 duration of seconds with all digits: `PT-1.5S`. */
export function durationText(value: bigint, unit: number): string {
  const scale = unitsPerSecond(unit);
  const size = value < 0n ? -value : value;
  return `PT${value < 0n ? "-" : ""}${size / scale}${fractionText(size % scale, unit)}S`;
}

/** An ISO 8601 duration of months, days and nanoseconds, each with its own sign. */
export function intervalText({
  months,
  days,
  nanoseconds,
}: {
  months: number;
  days: number;
  nanoseconds: bigint;
}): string {
  const years = Math.trunc(months / 12);
  const date = `${years === 0 ? "" : `${years}Y`}${months % 12 === 0 ? "" : `${months % 12}M`}${days === 0 ? "" : `${days}D`}`;
  if (nanoseconds === 0n && date !== "") return `P${date}`;
  return `P${date}T${durationText(nanoseconds, 3).slice(2)}`;
}

export function unitsPerSecond(unit: number): bigint {
  return 10n ** BigInt(UNIT_DIGITS[unit] ?? 0);
}

function fractionText(rest: bigint, unit: number): string {
  if (rest === 0n) return "";
  return `.${pad(rest, UNIT_DIGITS[unit] ?? 0).replace(/0+$/, "")}`;
}

function yearText(year: bigint): string {
  if (year >= 0n && year <= 9999n) return pad(year, 4);
  return year < 0n ? `-${pad(-year, 6)}` : `+${pad(year, 6)}`;
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}

function pad(value: bigint, digits: number): string {
  return value.toString().padStart(digits, "0");
}

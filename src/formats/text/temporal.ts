const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIMESTAMP = /^(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?$/;
const DAY_MS = 86_400_000;

/** Days since 1970-01-01 of an ISO 8601 calendar date with a year of four digits; undefined when there is no such day. */
export function parseDate(text: string): number | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  // Date.UTC takes years below 100 for those of the 20th century: set them apart.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() / DAY_MS : undefined;
}

export interface ParsedTimestamp {
  /** Since the epoch; in UTC when it is an instant, else on the wall. */
  readonly seconds: bigint;
  /** Digits behind the point, as written. */
  readonly fraction: string;
  readonly digits: number;
  /** Whether an offset from UTC was given. */
  readonly isInstant: boolean;
}

/** ISO 8601 with `T` or a space, minutes or finer, up to nine fraction digits, and an offset or none. */
export function parseTimestamp(text: string): ParsedTimestamp | undefined {
  const match = TIMESTAMP.exec(text);
  if (match === null) return undefined;
  const [, date = "", hour = "", minute = "", second = "0", fraction = "", zone] = match;
  const days = parseDate(date);
  const offset = offsetSeconds(zone);
  if (days === undefined || offset === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) {
    return undefined;
  }
  const seconds = days * 86_400 + Number(hour) * 3600 + Number(minute) * 60 + Number(second) - offset;
  return { seconds: BigInt(seconds), fraction, digits: fraction.length, isInstant: zone !== undefined };
}

function offsetSeconds(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === "Z") return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(":", "") || "0");
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 3600 + minutes * 60);
}

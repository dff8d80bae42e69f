import type { Annotations } from "../oci/descriptor.ts";

const KEY = "org.opencontainers.image.created";
const FORM = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Seconds since the epoch of `org.opencontainers.image.created`; undefined where it is absent or no time. */
export function createdTime(annotations: Annotations): number | undefined {
  return Object.hasOwn(annotations, KEY) ? parseTimestamp(annotations[KEY] ?? "") : undefined;
}

/** RFC 3339, section 5.6, in seconds since the epoch. A leap second is the second after it. */
export function parseTimestamp(text: string): number | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const date = new Date(0);
  // Date.UTC would take the years below 100 for those of the twentieth century.
  date.setUTCFullYear(year, month - 1, day);
  const offset = Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0);
  const valid =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second <= 60 &&
    Number(match[9] ?? 0) < 24 &&
    Number(match[10] ?? 0) < 60;
  if (!valid) return undefined;
  const minutes = hour * 60 + minute - (match[8] === "-" ? -offset : offset);
  return date.getTime() / 1000 + minutes * 60 + second + Number(match[7] ?? 0);
}

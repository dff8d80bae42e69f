import type { ByteRange } from "../bytes/range.ts";
import { RiffleError } from "../errors.ts";

const UNIT_BYTES: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** What `setTimeout` takes: 24 days and some. */
export const LONGEST_DURATION_MS: number = 2 ** 31 - 1;

/** `20G`, `1.5M`, `4096`; powers of 1024; `B` and `iB` may follow the unit. Throws `usage`. */
export function parseSize(text: string): number {
  const match = /^(\d{1,16}(?:\.\d{1,9})?) ?([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const bytes = Math.round(Number(match?.[1]) * (UNIT_BYTES[(match?.[2] ?? "").toUpperCase()] ?? Number.NaN));
  if (match !== null && Number.isSafeInteger(bytes)) return bytes;
  throw new RiffleError("usage", `not a size: "${text.slice(0, 80)}"`, { hint: "such as 512M, 20G or 1T" });
}

/** `500ms`, `60s`, `5m`, `1.5h`; the unit is required; for something that is waited for. Throws `usage`. */
export function parseDuration(text: string): number {
  const ms = durationOf(text);
  if (ms !== undefined && ms >= 1 && ms <= LONGEST_DURATION_MS) return ms;
  throw notADuration(text, ", at most 24 days");
}

/** The same for an age, which may be nothing or years. */
export function parseAge(text: string): number {
  const ms = durationOf(text);
  if (ms !== undefined && Number.isSafeInteger(ms)) return ms;
  throw notADuration(text, "");
}

function durationOf(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h)$/.exec(text.trim());
  return match === null ? undefined : Math.round(Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? Number.NaN));
}

function notADuration(text: string, bound: string): RiffleError {
  return new RiffleError("usage", `not a duration: "${text.slice(0, 80)}"`, {
    hint: `such as 500ms, 60s, 5m or 1h${bound}`,
  });
}

/** What `--range` asks for: from a start up to an end (or the file's), or the last bytes. */
export type WantedRange =
  | { readonly kind: "span"; readonly start: number; readonly end: number | undefined }
  | { readonly kind: "last"; readonly bytes: number };

/** `START-END` (half-open), `START-` or `-N`, decimal. Throws `usage`. */
export function parseWantedRange(text: string): WantedRange {
  const match = /^(\d{0,16})-(\d{0,16})$/.exec(text);
  const start = match?.[1] === "" ? undefined : Number(match?.[1]);
  const end = match?.[2] === "" ? undefined : Number(match?.[2]);
  const sane = [start, end].every((value) => value === undefined || Number.isSafeInteger(value));
  if (match !== null && sane) {
    if (start === undefined && end !== undefined) return { kind: "last", bytes: end };
    if (start !== undefined && (end === undefined || end >= start)) return { kind: "span", start, end };
  }
  throw new RiffleError("usage", `not a range: "${text.slice(0, 80)}"`, {
    hint: "START-END counts bytes from 0 without the one at END; START- goes to the end, -N is the last N",
  });
}

/** The bytes that are wanted of a file of `size`; what lies behind its end is cut off, as with `head -c`. */
export function rangeWithin(wanted: WantedRange, size: number): ByteRange {
  if (wanted.kind === "last") return { start: Math.max(0, size - wanted.bytes), end: size };
  const start = Math.min(wanted.start, size);
  return { start, end: Math.max(start, Math.min(wanted.end ?? size, size)) };
}

/** For people: `1 read`, `2 reads`. */
export function formatCount(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}

/** For people: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? "B"}`;
}

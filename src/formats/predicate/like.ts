import type { ByteRows } from "./byte-rows.ts";

const PERCENT = 0x25;
const UNDERSCORE = 0x5f;

/**
 * Whether UTF-8 text fits an SQL pattern: `%` is any text, `_` any one code point; nothing escapes them, as in DuckDB. Takes at most
 * text x pattern steps.
 */
export function isLike(rows: ByteRows, pattern: Uint8Array): boolean {
  const { bytes, end } = rows;
  let at = rows.start;
  let p = 0;
  // Where to go on when the rest does not fit: after the last %, one code point further than the time before.
  let retryPattern = -1;
  let retryAt = 0;
  while (at < end) {
    const wanted = p < pattern.length ? pattern[p] : undefined;
    if (wanted === PERCENT) {
      p += 1;
      retryPattern = p;
      retryAt = at;
    } else if (wanted === UNDERSCORE) {
      p += 1;
      at = nextCodePoint(bytes, { at, end });
    } else if (wanted !== undefined && wanted === bytes[at]) {
      p += 1;
      at += 1;
    } else if (retryPattern >= 0) {
      p = retryPattern;
      retryAt = nextCodePoint(bytes, { at: retryAt, end });
      at = retryAt;
    } else {
      return false;
    }
  }
  while (pattern[p] === PERCENT) p += 1;
  return p === pattern.length;
}

function nextCodePoint(bytes: Uint8Array, place: { readonly at: number; readonly end: number }): number {
  let next = place.at + 1;
  while (next < place.end && ((bytes[next] ?? 0) & 0xc0) === 0x80) next += 1;
  return next;
}

/** The bytes that every match begins with. */
export function likePrefix(pattern: Uint8Array): Uint8Array {
  const wild = pattern.findIndex((byte) => byte === PERCENT || byte === UNDERSCORE);
  return wild < 0 ? pattern : pattern.subarray(0, wild);
}

/** Whether every text with the prefix matches: the pattern is the prefix and `%`. */
export function isPrefixPattern(pattern: Uint8Array): boolean {
  const prefix = likePrefix(pattern);
  return prefix.length < pattern.length && pattern.subarray(prefix.length).every((byte) => byte === PERCENT);
}

/** Whether only one text matches. */
export function isPlainPattern(pattern: Uint8Array): boolean {
  return likePrefix(pattern).length === pattern.length;
}
